/* SPDX-License-Identifier: MIT */
/*
 * The keeper is the first process. It does nothing but wait for the guardian, so that there is somebody left when that
 * one is killed: then it puts back what the journal on disk says, and says so in the ring. Killed itself, it takes the
 * guardian's leave with it, which gives everything back in order. Killed together, they leave the journal for
 * --restore.
 */
#pragma once

#include <string>

namespace drmsqueeze
{

struct AgentOptions {
	std::string ring;    /* empty: the ivshmem device */
	std::string journal; /* where to note what must be put back */
};

/** One run. The process's exit status: 0 when the run could be carried out, whatever became of its jobs. */
int run_agent(const AgentOptions &options);

/** Puts back what the journal of a killed run says, and says so in the ring where there is one: 0 when all is well. */
int restore(const AgentOptions &options);

} // namespace drmsqueeze
