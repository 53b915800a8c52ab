/* SPDX-License-Identifier: MIT */
/*
 * All that was changed, with how it was before: on disk before the change is made, so that a machine can be put back
 * whatever was killed. "A machine left failing its allocations is a broken machine."
 */
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/result.h"
#include "injectors/cgroup.h"
#include "injectors/knob.h"
#include "injectors/list_entry.h"
#include "injectors/task_marks.h"

namespace drmsqueeze
{

class RestoreJournal
{
public:
	/** @file need not exist; a file that does is what an earlier run has left behind, and EBUSY. */
	static Result<RestoreJournal> create(std::string file);

	/**
	 * What a journal on disk says; files that can no longer be opened are in @lost. After a reboot those that are
	 * gone need nothing, and the others get what they had before the run: the machine's owner may have set it.
	 */
	static Result<RestoreJournal> load(std::string file, std::vector<std::string> &lost);

	/** Saves, journals, writes, reads back. */
	Status turn(const std::string &path, std::string_view value);

	/** Adds @word to the kernel's list at @path (see ListEntry); EEXIST when it is there already. */
	Status add(const std::string &path, const std::string &word);

	/** Marks @tasks below @proc for fault injection (see TaskMarks). */
	Status mark_tasks(const std::string &proc, const std::vector<std::string> &tasks);

	/** Makes the cgroup v2 @directory, with @controller in it where that is not empty; EEXIST when there is one. */
	Status make_cgroup(const std::string &directory, std::string_view controller);

	/** The open knob at @path, nullptr when it was not turned. */
	Knob *find(std::string_view path);

	/** Puts back all that clients can live without, the last change first, and verifies: all but their cgroups. */
	bool restore_knobs();

	/**
	 * Puts everything back, and then takes the cgroups away, whose processes it kills. The file goes only when all
	 * went well.
	 */
	bool restore();

	/** Paths that restore_knobs() or restore() could not put back. */
	const std::vector<std::string> &failed() const { return failed_; }

private:
	/* What there is to undo. Each has restore(), and a form on disk in restore_journal.cc. */
	using Change = std::variant<Knob, ListEntry, TaskMarks>;

	RestoreJournal(std::string file, std::string boot_id) : file_(std::move(file)), boot_id_(std::move(boot_id)) {}
	/** Notes @change, on disk too, before it is made. */
	Status note(Change change);
	Status save();
	bool may_be_gone(std::string_view path) const;
	void forget_when_done();

	std::string file_;
	std::string boot_id_; /* empty where the kernel does not say it */
	std::vector<Change> changes_;
	std::vector<MadeCgroup> cgroups_;
	std::vector<std::string> failed_;
	bool on_disk_ = false;
	bool incomplete_ = false; /* the file names knobs that could not be opened */
};

} // namespace drmsqueeze
