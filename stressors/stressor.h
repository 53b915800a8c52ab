/* SPDX-License-Identifier: MIT */
/* What every stressor is to the agent. One file each, with the descriptor last, and one line in registry.cc. */
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "agent/control.h"
#include "agent/job_table.h"
#include "agent/recorder.h"
#include "agent/result.h"
#include "agent/scenario.h"
#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** What a client process is given. */
struct ClientSeat {
	const Request &request;
	const Driver &driver;
	Recorder recorder;
	Control &control;
	JobTable &table;
	uint32_t client;     /* unique in the run */
	uint32_t context;    /* within the stressor */
	uint32_t first_slot; /* the client's share of the table */
};

class Stressor
{
public:
	virtual ~Stressor() = default;
	virtual uint32_t clients() const = 0;
	virtual uint32_t slots_per_client() const = 0;

	/** In the supervisor before any client is forked: what clients are to share. */
	virtual Status prepare(const Driver &driver) = 0;

	/**
	 * In a client process: set up, then seat_ready() and wait for the run, then submit until done or told to stop.
	 * An error ends the run; fates of jobs are no errors.
	 */
	virtual Status run_client(const ClientSeat &seat) = 0;

	/**
	 * In the guardian, once the run is over: what the fates of the jobs do not tell, for stressors.json; null when
	 * there is nothing. Members that results know how to show: `counts` {name: number} and `tables`
	 * [{"title", "columns": [...], "rows": [[...]]}]. What clients counted comes through memory that the
	 * constructor took from shared_memory(), before any fork.
	 */
	virtual nlohmann::json report() const { return nullptr; }
};

struct StressorDescriptor {
	const char *kind;
	/** Throws ScenarioError. */
	std::unique_ptr<Stressor> (*create)(JsonReader options);
	/** Empty, or why it cannot run on this machine with this driver. */
	std::string (*unsupported)(const Driver &driver);
	/** Of a driver that it can run on: options that this one cannot do, each with the reason. nullptr: it can do
	 * all. */
	std::vector<std::string> (*limits)(const Driver &driver) = nullptr;
};

std::span<const StressorDescriptor *const> all_stressors();

/** Throws ScenarioError naming the known kinds. */
const StressorDescriptor &stressor_of(const Item &item);

/** Counts this client as ready and sleeps until the run begins; false when it is over before it began. */
bool wait_for_run(const ClientSeat &seat);

/**
 * As wait_for_run(), then calls @body with 0 to @threads - 1, each in a thread of its own, and returns when all are
 * through; false when the run is over before it began. The threads exist before the client counts as ready: an injector
 * that marks threads finds them, and none must be made when allocations already fail.
 */
bool run_in_threads(const ClientSeat &seat, uint32_t threads, const std::function<void(uint32_t)> &body);

/** Whether the client may begin another job; sleeps while the scenario's phases want rest. */
bool may_go_on(const ClientSeat &seat);

} // namespace drmsqueeze
