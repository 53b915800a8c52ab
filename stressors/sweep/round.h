/* SPDX-License-Identifier: MIT */
/* One round of the sweep: fresh objects, the n-th allocation of one step fails, and what that left behind is tried. */
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stressors/sweep/fault_sites.h"
#include "stressors/sweep/operation.h"
#include "stressors/sweep/toucher.h"

namespace drmsqueeze
{

/** More than any step allocates: fail-nth counts and never fires. */
inline constexpr uint32_t kCountOnly = 1U << 20;

struct Round {
	bool fired = false;
	uint32_t left = 0; /* of n, when it was not reached */
	int error = 0;     /* of the armed step */
	int64_t size = 0;  /* of the allocation that failed */
	std::optional<FaultSite> site = {};
	std::string fault = {}; /* what went wrong, in words; empty: nothing */
	bool hung = false;      /* somebody does not come back: this process can do no more */
};

/** The line of a WARN or a BUG without CPU, process, and the directory of the machine that built the driver. */
std::string brief_of_warning(std::string_view line);

class Rounds
{
public:
	/** @patience_ns: of the touchers. */
	static Result<Rounds> create(Root root, int64_t patience_ns);

	/** @n 0: nothing is armed. */
	Round run(const OperationType &type, uint32_t n);

	/** The allocations of one run of the step, in order; empty without the probe module. */
	std::vector<FaultSite> sites_of(const OperationType &type);

private:
	Rounds(Root root, int64_t patience_ns, std::unique_ptr<SecondClient> client)
		: root_(root), sites_(std::move(root)), patience_ns_(patience_ns),
		  thread_(std::make_unique<SecondThread>()), client_(std::move(client))
	{
	}

	Status armed_act(const OperationType &type, uint32_t n, Operation &operation, Round &round);
	/** The step once more: false when that fails as well, or does not come back. */
	bool retry(Operation &operation, Round &round);
	void touch(const OperationType &type, Operation &operation, bool failed_again, Round &round);

	Root root_;
	FaultSites sites_;
	int64_t patience_ns_;
	std::unique_ptr<SecondThread> thread_;
	std::unique_ptr<SecondClient> client_;
};

} // namespace drmsqueeze
