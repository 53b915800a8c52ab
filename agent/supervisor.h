/* SPDX-License-Identifier: MIT */
/*
 * The supervisor runs the clients and watches them: heartbeats, deadlines, the kernel log, the release test. Its
 * watching thread does no allocating system call from the moment the clients run: memory locked, descriptors open,
 * helpers (probe, evidence) forked beforehand, and everything that may block is done by somebody else.
 */
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "agent/control.h"
#include "agent/job_table.h"
#include "agent/kernel_log.h"
#include "agent/recorder.h"
#include "agent/sampler.h"
#include "agent/scenario.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

class Supervisor
{
public:
	Supervisor(const Request &request, const Driver &driver, std::vector<std::unique_ptr<Stressor>> &stressors,
		   Recorder recorder, Control &control, JobTable table, std::string client_cgroup,
		   const std::vector<SampledFile> &sampled);

	/** From set-up to the last client's end. Errors go to Control::fail. */
	void run();

private:
	struct Child {
		pid_t pid = 0; /* 0: reaped */
		uint32_t client = 0;
		bool headless = false; /* its first thread is gone */
	};

	Status set_up();
	Status fork_clients();
	Status start_sampler();
	void wait_for_arming();
	void watch();
	bool exits_blocked();
	void release_all();
	void probe_gpu();
	void end_clients();

	/** Ticks until @condition holds; false when @limit_ns (unscaled; 0 = none) came first. */
	template <typename Condition>
	bool tick_until(Condition condition, int64_t limit_ns);
	void tick();
	void beat();
	void read_log();
	void watch_progress();
	void reap();
	void end_headless_clients();
	void client_ended(Child &child, int status);
	uint32_t clients_alive() const;
	int64_t scaled(int64_t ns) const;
	void witness(std::string_view text, int64_t value = 0, uint64_t job = 0) const;

	const Request &request_;
	const Driver &driver_;
	std::vector<std::unique_ptr<Stressor>> &stressors_;
	Recorder recorder_;
	Control &control_;
	JobTable table_;
	std::string client_cgroup_; /* its directory; empty: clients stay where we are */
	std::vector<Child> clients_;
	std::atomic<bool> *through_ = nullptr; /* by client, shared with them: all that is left to do is to exit */
	int64_t exiting_since_ns_ = 0;         /* that no client does anything else */
	std::optional<KernelLog> log_;
	Sampler sampler_;
	int64_t next_beat_ns_ = 0;
	struct {
		bool waiting = false; /* for jobs in flight */
		uint64_t ended = 0;   /* jobs */
		int64_t since_ns = 0; /* that it is so */
		bool told = false;
	} progress_;
	bool has_probe_ = false;
	bool has_watcher_ = false;
};

} // namespace drmsqueeze
