/* SPDX-License-Identifier: MIT */
/*
 * The kernel's fault attribute (lib/fault-inject.c, Documentation/fault-injection): one set of knobs that decides
 * whether the n-th event fails, the same for pages, slab objects and functions. An injector of that kind is a row of
 * FaultKind, its own knobs, and what else it must do before it is switched on.
 *
 * Every knob is written, none is left as somebody else had it. What fired is counted from `times`, which is therefore
 * finite: the log's own messages are silenced by __GFP_NOWARN. An injected failure hits the allocation before reclaim
 * could run, so it tests error paths and says nothing about GFP flags.
 */
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "injectors/injector.h"
#include "injectors/kallsyms.h"

namespace drmsqueeze
{

enum class ScopeKind { all, stack, module, thread };

/** Whose events fail. */
struct FaultScope {
	ScopeKind kind = ScopeKind::all;
	std::string name; /* function, module, or glob over thread names */
};

/** Names, ranges and defaults are the scenario schema's. */
struct FaultOptions {
	uint64_t probability; /* percent */
	uint64_t interval;    /* every n-th event, counted by the kernel since it booted */
	uint64_t times;       /* failures at most */
	uint64_t space;       /* pages, bytes or calls that go well first */
	uint64_t verbose;     /* 0: silent, 1: a line for each failure, 2: with its stack */
	FaultScope scope;
};

struct FaultKind {
	const char *injector; /* as scenarios name it */
	const char
		*directory; /* of its knobs; a pattern where each device has such a directory: then its first match */
	const char *config; /* the kernel option that makes them */
};

struct KnobSetting {
	const char *knob; /* below FaultKind::directory */
	std::string value;
};

/** Takes the members that all kinds have; the caller takes its own, and finishes. Throws ScenarioError. */
FaultOptions parse_fault_options(JsonReader &reader);

/** Empty, or why the kernel has no such knobs. */
std::string fault_unsupported(const FaultKind &kind, const Root &root);

class FaultInjector : public Injector
{
public:
	/** @own: knobs that this kind has beside the common ones. */
	FaultInjector(const FaultKind &kind, FaultOptions options, std::vector<KnobSetting> own);

	/**
	 * ENOTSUP for knobs that are missing, ENOENT for a scope that is not there, EBUSY when somebody else injects
	 * already.
	 */
	Status check(const InjectorSeat &seat) const override;

	/** Turns all knobs, `probability` last and to 0: so the restore journal turns it off first. */
	Status arm(const InjectorSeat &seat) override;
	Status switch_on(const InjectorSeat &seat) override { return adjust(seat); }

	/** On above intensity 0. */
	Status adjust(const InjectorSeat &seat) override;
	void read_counters() override;
	nlohmann::json report() const override;
	bool never_fired() const override { return fired_ == 0U; }

protected:
	const FaultOptions &options() const { return options_; }
	std::string knob_path(const Root &root, std::string_view knob) const;

private:
	std::vector<KnobSetting> settings(const TextRange &require) const;
	Result<TextRange> require_range(const Root &root) const;
	Status mark_threads(const InjectorSeat &seat);

	const FaultKind &kind_;
	FaultOptions options_;
	std::vector<KnobSetting> own_;
	nlohmann::json read_back_ = nlohmann::json::object();
	std::vector<std::string> threads_; /* "NAME (TID)" of those that were marked */
	RestoreJournal *journal_ = nullptr;
	std::string times_path_;
	std::optional<uint64_t> fired_;
	bool on_ = false;
};

} // namespace drmsqueeze
