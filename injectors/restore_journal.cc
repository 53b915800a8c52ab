/* SPDX-License-Identifier: MIT */
#include "injectors/restore_journal.h"

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

Error error_at(const std::string &file, const char *doing)
{
	return {errno, file + ": " + doing + ": " + strerror(errno)};
}

} // namespace

Result<RestoreJournal> RestoreJournal::create(std::string file)
{
	std::error_code ignored;
	std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
	if (std::filesystem::exists(file, ignored))
		return Error{EBUSY, file + ": an earlier run was not put back; run drmsqueeze-agent --restore"};
	return RestoreJournal(std::move(file));
}

Result<RestoreJournal> RestoreJournal::load(std::string file, std::vector<std::string> &lost)
{
	auto text = Root().read(file);
	if (!text)
		return text.error();
	auto document = nlohmann::json::parse(*text, nullptr, false);
	if (!document.is_object() || document.value("schema", "") != kSchema || !document["knobs"].is_array())
		return Error{EBADMSG, file + ": not a restore journal"};
	RestoreJournal journal(std::move(file));
	for (const auto &entry : document["knobs"]) {
		auto knob = Knob::open(entry.value("path", ""));
		if (knob) {
			knob->set_saved(entry.value("saved", ""));
			journal.knobs_.push_back(std::move(*knob));
		} else if (knob.error().code != ENOENT || !entry.value("path", "").starts_with("/proc/")) {
			lost.push_back(knob.error().reason);
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
		knobs_.push_back(std::move(*opened));
		if (Status status = save(); !status) {
			knobs_.pop_back();
			return status;
		}
		on_disk_ = true;
		knob = &knobs_.back();
	}
	Status status = knob->write(value);
	knob->prepare();
	return status;
}

Knob *RestoreJournal::find(std::string_view path)
{
	for (Knob &knob : knobs_)
		if (knob.path() == path)
			return &knob;
	return nullptr;
}

bool RestoreJournal::restore()
{
	failed_.clear();
	for (auto knob = knobs_.rbegin(); knob != knobs_.rend(); ++knob)
		if (!knob->restore())
			failed_.push_back(knob->path());
	if (!failed_.empty())
		return false;
	/* What could not be opened now may be tomorrow: its value must not be forgotten. */
	if (on_disk_ && !incomplete_)
		unlink(file_.c_str());
	knobs_.clear();
	return true;
}

Status RestoreJournal::save() const
{
	auto list = nlohmann::json::array();
	for (const Knob &knob : knobs_)
		list.push_back({{"path", knob.path()}, {"saved", knob.saved()}});
	std::string text = nlohmann::json{{"schema", kSchema}, {"knobs", list}}.dump(1) + "\n";

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
	return {};
}

} // namespace drmsqueeze
