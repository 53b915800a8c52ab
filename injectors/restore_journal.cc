/* SPDX-License-Identifier: MIT */
#include "injectors/restore_journal.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/root.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kSchema = "drmsqueeze.restore/1";
constexpr const char *kBootId = "/proc/sys/kernel/random/boot_id";

Error error_at(const std::string &file, const char *doing)
{
	return {errno, file + ": " + doing + ": " + strerror(errno)};
}

nlohmann::json on_disk(const Knob &knob)
{
	return {{"path", knob.path()}, {"saved", knob.saved()}};
}

nlohmann::json on_disk(const ListEntry &entry)
{
	return {{"path", entry.path()}, {"added", entry.word()}};
}

nlohmann::json on_disk(const TaskMarks &marks)
{
	return {{"path", marks.path()}, {"marked_before", marks.before()}};
}

std::string boot_id()
{
	auto text = Root().read(kBootId);
	return text ? trimmed(*text) : "";
}

} // namespace

Result<RestoreJournal> RestoreJournal::create(std::string file)
{
	std::error_code ignored;
	std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
	if (std::filesystem::exists(file, ignored))
		return Error{EBUSY, file + ": an earlier run was not put back; run drmsqueeze-agent --restore"};
	return RestoreJournal(std::move(file), boot_id());
}

Result<RestoreJournal> RestoreJournal::load(std::string file, std::vector<std::string> &lost)
{
	auto text = Root().read(file);
	if (!text)
		return text.error();
	auto document = nlohmann::json::parse(*text, nullptr, false);
	if (!document.is_object() || document.value("schema", "") != kSchema || !document["knobs"].is_array())
		return Error{EBADMSG, file + ": not a restore journal"};
	RestoreJournal journal(std::move(file), boot_id());
	/* Of an earlier boot: what is not there any more was not turned in this one. */
	bool rebooted =
		document.contains("boot_id") && !journal.boot_id_.empty() && document["boot_id"] != journal.boot_id_;
	/* None of its cgroups and marked tasks are left then, and those of the same name are not ours. */
	auto made = rebooted ? nlohmann::json::array() : document.value("cgroups", nlohmann::json::array());
	for (const auto &entry : made)
		journal.cgroups_.push_back(
			{entry.value("path", ""), entry.value("control", ""), entry.value("saved", "")});
	auto keep = [&](auto opened, const std::string &path) {
		if (opened)
			journal.changes_.emplace_back(std::move(*opened));
		else if (opened.error().code != ENOENT || !(rebooted || journal.may_be_gone(path)))
			lost.push_back(opened.error().reason);
	};
	for (const auto &entry : document["knobs"]) {
		std::string path = entry.value("path", "");
		bool of_tasks = entry.contains("marked_before") ||
				(path.starts_with("/proc/") && !path.starts_with("/proc/sys/"));
		if (rebooted && of_tasks)
			continue;
		if (entry.contains("added")) {
			keep(ListEntry::reopen(path, entry.value("added", "")), path);
		} else if (entry.contains("marked_before")) {
			journal.changes_.emplace_back(
				TaskMarks(path, entry["marked_before"].get<std::vector<std::string>>()));
		} else {
			auto knob = Knob::open(path);
			if (knob)
				knob->set_saved(entry.value("saved", ""));
			keep(std::move(knob), path);
		}
	}
	journal.on_disk_ = true;
	journal.incomplete_ = !lost.empty();
	return journal;
}

Status RestoreJournal::turn(const std::string &path, std::string_view value)
{
	Knob *knob = find(path);
	if (!knob) {
		auto opened = Knob::open(path);
		if (!opened)
			return opened.error();
		if (Status status = note(std::move(*opened)); !status)
			return status;
		knob = find(path);
	}
	/* First: from this write on there may be no memory for an open(). */
	knob->prepare();
	return knob->write(value);
}

Status RestoreJournal::add(const std::string &path, const std::string &word)
{
	auto entry = ListEntry::open(path, word);
	if (!entry)
		return entry.error();
	if (Status status = note(std::move(*entry)); !status)
		return status;
	return std::get<ListEntry>(changes_.back()).add();
}

Status RestoreJournal::mark_tasks(const std::string &proc, const std::vector<std::string> &tasks)
{
	if (Status status = note(TaskMarks::look(proc)); !status)
		return status;
	return std::get<TaskMarks>(changes_.back()).mark(tasks);
}

Knob *RestoreJournal::find(std::string_view path)
{
	for (Change &change : changes_)
		if (Knob *knob = std::get_if<Knob>(&change); knob && knob->path() == path)
			return knob;
	return nullptr;
}

Status RestoreJournal::make_cgroup(const std::string &directory, std::string_view controller)
{
	auto cgroup = MadeCgroup::describe(directory);
	if (!cgroup)
		return cgroup.error();
	cgroups_.push_back(std::move(*cgroup));
	Status status = save();
	if (!status) {
		cgroups_.pop_back();
		return status;
	}
	return cgroups_.back().make(controller);
}

/* The files of a task and of a cgroup go with it, and there is nothing left to be put back. */
bool RestoreJournal::may_be_gone(std::string_view path) const
{
	return path.starts_with("/proc/") ||
	       std::any_of(cgroups_.begin(), cgroups_.end(),
			   [&](const MadeCgroup &cgroup) { return path.starts_with(cgroup.path + "/"); });
}

bool RestoreJournal::restore_knobs()
{
	failed_.clear();
	for (auto change = changes_.rbegin(); change != changes_.rend(); ++change)
		if (!std::visit([](auto &changed) { return changed.restore(); }, *change))
			failed_.push_back(std::visit([](const auto &changed) { return changed.path(); }, *change));
	if (!failed_.empty())
		return false;
	changes_.clear();
	forget_when_done();
	return true;
}

bool RestoreJournal::restore()
{
	bool knobs = restore_knobs();
	while (knobs && !cgroups_.empty()) {
		if (!cgroups_.back().remove()) {
			failed_.push_back(cgroups_.back().path);
			return false;
		}
		cgroups_.pop_back();
	}
	forget_when_done();
	return knobs;
}

/* What could not be opened now may be tomorrow: its value must not be forgotten. */
void RestoreJournal::forget_when_done()
{
	if (on_disk_ && !incomplete_ && changes_.empty() && cgroups_.empty()) {
		unlink(file_.c_str());
		on_disk_ = false;
	}
}

Status RestoreJournal::note(Change change)
{
	changes_.push_back(std::move(change));
	Status status = save();
	if (!status)
		changes_.pop_back();
	return status;
}

Status RestoreJournal::save()
{
	auto list = nlohmann::json::array();
	for (const Change &change : changes_)
		list.push_back(std::visit([](const auto &changed) { return on_disk(changed); }, change));
	auto made = nlohmann::json::array();
	for (const MadeCgroup &cgroup : cgroups_)
		made.push_back({{"path", cgroup.path}, {"control", cgroup.control}, {"saved", cgroup.saved}});
	nlohmann::json document{{"schema", kSchema}, {"knobs", list}, {"cgroups", made}};
	if (!boot_id_.empty())
		document["boot_id"] = boot_id_;
	std::string text = document.dump(1) + "\n";

	/* Renamed into place: a reader finds the old journal or the new one, never half of one. */
	std::string fresh = file_ + ".new";
	UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	if (!fd.valid())
		return error_at(fresh, "open");
	if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
		return error_at(fresh, "write");
	if (fsync(fd.get()) != 0)
		return error_at(fresh, "fsync");
	if (rename(fresh.c_str(), file_.c_str()) != 0)
		return error_at(file_, "rename");
	on_disk_ = true;
	return {};
}

} // namespace drmsqueeze
