/* SPDX-License-Identifier: MIT */
/*
 * The guardian is the first process: it turns the machine's knobs and holds its memory, and it puts all back when the
 * supervisor asks, or dies. Killed itself, its children die with it and the journal on disk serves --restore.
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

/** Puts back what the journal says: 0 when all is as it was. */
int restore_from_journal(const std::string &journal);

} // namespace drmsqueeze
