/* SPDX-License-Identifier: MIT */
/* What every injector is to the guardian. One file each, with the descriptor last, and one line in registry.cc. */
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <sys/types.h>

#include "agent/result.h"
#include "agent/root.h"
#include "agent/sampler.h"
#include "agent/scenario.h"
#include "injectors/restore_journal.h"

namespace drmsqueeze
{

/** What an injector works with. */
struct InjectorSeat {
	const Request &request;
	Root root;
	RestoreJournal &journal;
	uint64_t idle_available_kib; /* MemAvailable with the clients set up and nothing taken yet */
	double intensity = 1;        /* share of what the injector does that is wanted now: see ScenarioPhase */
	std::string client_cgroup =
		{}; /* which clients are to join before they begin; empty: they stay where they are */
};

/** A file for the run directory. */
struct RunFile {
	std::string name;
	std::string content;
};

class Injector
{
public:
	virtual ~Injector() = default;

	/** Could arm() work? Changes nothing. ENOTSUP-like errors carry the reason for a person. */
	virtual Status check(const InjectorSeat &seat) const = 0;

	/** Before anything is forked: what clients are to be born into (@seat.client_cgroup). */
	virtual Status prepare(InjectorSeat & /*seat*/) { return {}; }

	/** After prepare(): files whose numbers belong into the run's samples beside those of every run. */
	virtual std::vector<SampledFile> sampled() const { return {}; }

	/** Takes effect, at @seat.intensity. Every knob goes through the journal. */
	virtual Status arm(const InjectorSeat &seat) = 0;

	/** All are armed: for what would have hit the arming of the others. */
	virtual Status switch_on(const InjectorSeat & /*seat*/) { return {}; }

	/**
	 * A phase wants another @seat.intensity: called every few ms while it ramps, so it must not wait. What can only
	 * be on or off is on above 0. Injectors that have no say in it stay as they are armed.
	 */
	virtual Status adjust(const InjectorSeat & /*seat*/) { return {}; }

	/** What it counted, read while its knobs still stand; allocates nothing. */
	virtual void read_counters() = 0;

	/** Gives back what is no knob (processes); false when that failed. Knobs are the journal's. */
	virtual bool release() { return true; }

	/** @pid has died: true when it was this injector's, and what to say of it. */
	virtual bool lost_process(pid_t pid) { return static_cast<void>(pid), false; }

	/**
	 * For injections.json: injector, settings, fired (null when it counts nothing), charged_to; and, where there is
	 * more to say, `counts` and `tables` as Stressor::report() has them.
	 */
	virtual nlohmann::json report() const = 0;

	/** After release(): what else belongs into the run directory; empty files are left out. */
	virtual std::vector<RunFile> files() const { return {}; }

	/** Its promise was to fire, and it did not. */
	virtual bool never_fired() const { return false; }
};

struct InjectorDescriptor {
	const char *kind;
	/** Throws ScenarioError. */
	std::unique_ptr<Injector> (*create)(JsonReader options, const Request &request);
	/** Empty, or why it cannot be used on this machine. */
	std::string (*unsupported)(const Root &root);
};

std::span<const InjectorDescriptor *const> all_injectors();

/** Throws ScenarioError naming the known kinds. */
const InjectorDescriptor &injector_of(const Item &item);

} // namespace drmsqueeze
