/* SPDX-License-Identifier: MIT */
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "agent/awaited.h"
#include "agent/capabilities.h"
#include "agent/clock.h"
#include "agent/detached.h"
#include "agent/keeper.h"
#include "agent/pace.h"
#include "agent/record_sender.h"

int main(int argc, char **argv)
{
	using namespace drmsqueeze;

	DetachedOptions detached{
		.agent = {.ring = "", .journal = "/run/drmsqueeze/restore.json"}, .log = "", .console = ""};
	AgentOptions &options = detached.agent;
	bool send = false;
	uint64_t from = 1;
	pid_t agent = getpid(); /* never gone */
	bool calibrate = false;
	double pace_s = 0;
	bool await = false;
	bool put_back = false;
	bool capabilities = false;
	CLI::App app("Carries out one run of drmsqueeze: reads its request from the ring, and writes records into it.");
	app.set_version_flag("--version", DRMSQUEEZE_VERSION);
	app.add_option("--ring", options.ring, "ring file, where there is no ivshmem device");
	app.add_option("--journal", options.journal, "where to note what must be put back")->capture_default_str();
	app.add_option("--console", detached.console, "with --start: tells records here that nobody takes");
	app.add_option("--console-after", detached.console_after_s, "... so many seconds after they were written")
		->check(CLI::Range(0.1, 3600.0));
	app.add_option("--watchdog", detached.watchdog_s,
		       "with --start: the hardware watchdog bites so many seconds after the last record")
		->check(CLI::Range(0U, 86400U));
	app.add_option("--from", from, "with --send-records: the first sequence number that is wanted");
	app.add_option("--agent", agent, "with --send-records: ends once this process, which writes them, is gone");
	auto *modes = app.add_option_group("instead of a run");
	modes->add_flag("--calibrate", calibrate, "print nanoseconds of a fixed piece of work");
	modes->add_option("--pace", pace_s, "the same, on all CPUs and on the average of so many seconds")
		->check(CLI::Range(0.01, 3600.0));
	modes->add_flag(
		"--await", await,
		"return once there is a request in the ring, and the kernel's random numbers are seeded for it");
	modes->add_option("--start", detached.log,
			  "carry out the request on standard input in the background, with this file for a log; "
			  "its ring is made at --ring");
	modes->add_flag("--send-records", send, "send the records of --ring to standard output as they come");
	modes->add_flag("--restore", put_back, "put back what the journal of an earlier run says");
	modes->add_flag("--capabilities", capabilities, "print as JSON what can be done on this machine");
	modes->require_option(0, 1);
	try {
		app.parse(argc, argv);
	} catch (const CLI::ParseError &error) {
		return app.exit(error) == 0 ? 0 : 2;
	}
	if (calibrate) {
		fmt::print("{}\n", calibrate_ns());
		return 0;
	}
	if (pace_s > 0) {
		fmt::print("{}\n", pace_ns(pace_s));
		return 0;
	}
	if (await)
		return await_request(options.ring);
	if (!detached.log.empty())
		return start_detached(detached);
	if (send)
		return send_records(options.ring, from, agent, STDIN_FILENO, STDOUT_FILENO);
	if (put_back)
		return restore(options);
	if (capabilities) {
		fmt::print("{}\n", describe_capabilities(Root()).dump(1));
		return 0;
	}
	return run_agent(options);
}
