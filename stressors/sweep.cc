/* SPDX-License-Identifier: MIT */
/*
 * error-sweep: of each operation (stressors/sweep/) every allocation is made to fail, one at a time: the first, the
 * second, and so on until none is left. One such point is a job. After the failure the same is done once more with
 * nothing armed, a second thread and a second client touch the object, all is closed, and what then is left over is
 * counted. A point is done @repeats times, so that a leak of one object a time stands out of the noise, and once more
 * as often when something seems to be left.
 *
 * The gates of fault injection are the injector fail-nth's; without it no allocation fails.
 */
#include <algorithm>
#include <fmt/format.h>
#include <fnmatch.h>
#include <map>

#include "agent/census.h"
#include "agent/clock.h"
#include "agent/kernel_log.h"
#include "stressors/stressor.h"
#include "stressors/sweep/round.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kStressor = "error-sweep";
constexpr uint32_t kMaxPoints = 4096;
constexpr uint32_t kMaxOperations = 256;

struct Options {
	std::vector<std::string> operations;
	uint32_t points;   /* jobs */
	uint32_t repeats;  /* of each point */
	uint32_t per_site; /* points of each site; 0: all */
	int64_t patience_ns;
};

/** One row of the table, in memory that the guardian reads; texts are cut. */
struct Point {
	char operation[40];
	uint32_t n;
	uint32_t rounds;
	uint32_t fired;
	uint32_t failed; /* rounds that returned an error */
	int error;
	char site[280];
	char left[160];
	char verdict[280];
};

/** Asked while the gates are open: some are possible only then. */
struct Skipped {
	const OperationType *type;
	char reason[160];
};

struct Shared {
	std::atomic<uint32_t> points;
	std::atomic<uint32_t> clean;
	std::atomic<uint32_t> findings;
	std::atomic<uint32_t> fired;
	std::atomic<uint32_t> rounds;
	std::atomic<uint32_t> operations;
	Point table[kMaxPoints];
	std::atomic<bool> busy; /* with this point; where it stays so, the client did not come back from it */
	Point under_way;
	std::atomic<uint32_t> skipped;
	Skipped not_done[kMaxOperations];
};

template <size_t N>
void copy_text(char (&to)[N], const std::string &text)
{
	to[text.copy(to, N - 1)] = '\0';
}

bool matches(const std::vector<std::string> &globs, const char *name)
{
	return std::any_of(globs.begin(), globs.end(),
			   [&](const std::string &glob) { return fnmatch(glob.c_str(), name, 0) == 0; });
}

class Sweep
{
public:
	Sweep(const Options &options, const ClientSeat &seat, Shared &shared, Rounds rounds, KernelLog log)
		: options_(options), seat_(seat), shared_(shared), rounds_(std::move(rounds)), log_(std::move(log))
	{
	}

	/** All points of one operation; false when the sweep cannot go on. */
	bool run(const OperationType &type)
	{
		shared_.operations.fetch_add(1);
		std::vector<uint32_t> wanted = choose(type);
		/* The first rounds fill what the kernel keeps for later. */
		constexpr uint32_t kWarmUp = 3;
		for (uint32_t i = 0; i < kWarmUp; i++)
			rounds_.run(type, 0);
		Status counted = count();
		if (!counted) {
			seat_.control.fail(counted.error().code, "census: " + counted.error().reason);
			return false;
		}
		/*
		 * n = 0: nothing fails; what is wrong there is wrong in the operation, or in the driver without errors.
		 */
		uint32_t n = 0;
		for (size_t next = 0; go_on_ && may_go_on(seat_) && shared_.points.load() < options_.points; next++) {
			shared_.under_way = {};
			copy_text(shared_.under_way.operation, type.name);
			shared_.under_way.n = n;
			if (n > 0 && n <= sites_.size())
				copy_text(shared_.under_way.site, sites_[n - 1].brief(kFrames));
			shared_.busy = true;
			bool more = point(type, n);
			shared_.busy = false;
			if (!more)
				break;
			n = wanted.empty()         ? n + 1
			    : next < wanted.size() ? wanted[next]
						   : wanted.back() + static_cast<uint32_t>(next - wanted.size()) + 1;
		}
		return go_on_;
	}

private:
	/** The points to be visited: with @per_site only some of each site; empty: all. */
	std::vector<uint32_t> choose(const OperationType &type)
	{
		if (options_.per_site == 0)
			return {};
		std::vector<uint32_t> wanted;
		sites_ = rounds_.sites_of(type);
		std::map<std::string, uint32_t> seen;
		for (size_t i = 0; i < sites_.size(); i++) {
			bool last =
				std::none_of(sites_.begin() + static_cast<std::ptrdiff_t>(i) + 1, sites_.end(),
					     [&](const FaultSite &later) { return later.key() == sites_[i].key(); });
			if (last || seen[sites_[i].key()]++ < options_.per_site)
				wanted.push_back(static_cast<uint32_t>(i) + 1);
		}
		return wanted;
	}

	Status count()
	{
		auto census = taker_.take();
		if (!census)
			return census.error();
		before_ = std::move(*census);
		return {};
	}

	/** One job; false when the step has no n-th allocation. */
	bool point(const OperationType &type, uint32_t n)
	{
		Round first = rounds_.run(type, n);
		if (n != 0 && !first.fired && (first.fault.empty() || !clean_))
			return false;
		seat_.table.begin(seat_.first_slot, {.client = seat_.client,
						     .context = seat_.context,
						     .thread = 0,
						     .bytes = 0,
						     .stressor = kStressor,
						     .deadline_ns = seat_.request.deadline_ns});
		Point &row = shared_.table[shared_.points.load()];
		row = {};
		copy_text(row.operation, type.name);
		row.n = n;
		std::string fault;
		note(first, row, fault);
		batch(type, n, options_.repeats - 1, row, fault);
		clean_ = n == 0 ? fault.empty() : clean_;
		std::string left = go_on_ ? left_over(type, n, row, fault) : "";
		if (!left.empty())
			fault += (fault.empty() ? "leak: " : "; leak: ") + left;
		std::string warning = warnings();
		if (!warning.empty())
			fault += (fault.empty() ? "kernel log: " : "; kernel log: ") + warning;
		copy_text(row.left, left.empty() ? "nothing" : left);
		copy_text(row.verdict, !fault.empty()  ? fault
				       : row.error     ? "clean"
				       : row.fired > 0 ? "clean: does without it"
						       : "clean: nothing fails");
		shared_.rounds.fetch_add(row.rounds);
		shared_.fired.fetch_add(row.fired);
		(fault.empty() ? shared_.clean : shared_.findings).fetch_add(1);
		shared_.points.fetch_add(1);
		seat_.table.signalled(seat_.first_slot);
		seat_.table.end(
			seat_.first_slot,
			{.fate = fault.empty() ? Fate::completed : Fate::failed, .error = row.error, .reason = fault});
		return n == 0 || first.fired;
	}

	void note(const Round &round, Point &row, std::string &fault)
	{
		row.rounds++;
		row.fired += round.fired;
		row.failed += round.error != 0;
		row.error = round.error ? round.error : row.error;
		if (round.site && row.site[0] == '\0')
			copy_text(row.site, round.site->brief(kFrames));
		if (fault.empty())
			fault = round.fault;
		go_on_ &= !round.hung;
	}

	void batch(const OperationType &type, uint32_t n, uint32_t rounds, Point &row, std::string &fault)
	{
		for (uint32_t i = 0; i < rounds && go_on_; i++)
			note(rounds_.run(type, n), row, fault);
	}

	/**
	 * What there is more of, about one a round or more. It is looked at until it is gone: some things go back late,
	 * by RCU and by work queues.
	 */
	std::vector<Growth> grown(std::string &fault)
	{
		constexpr int64_t kPoll = 250 * kNsPerMs;
		constexpr int64_t kLimit = 7 * kNsPerS;
		int64_t threshold = std::max<int64_t>(2, options_.repeats * 3 / 4);
		Census before = before_;
		std::vector<Growth> more;
		for (int64_t begin = now_ns(); now_ns() - begin < kLimit; sleep_ns(kPoll)) {
			if (Status status = count(); !status) {
				/* What is left cannot be known: that is no clean point. */
				fault += (fault.empty() ? "census: " : "; census: ") + status.error().reason;
				return {};
			}
			more = growth(before, before_, threshold);
			if (more.empty())
				break;
		}
		return more;
	}

	/* A leak grows in the second batch about as much as in the first. */
	std::string left_over(const OperationType &type, uint32_t n, Point &row, std::string &fault)
	{
		auto once = grown(fault);
		if (once.empty())
			return {};
		batch(type, n, options_.repeats, row, fault);
		auto again = grown(fault);
		std::string text;
		for (const Growth &more : again)
			for (const Growth &earlier : once)
				if (more.what == earlier.what &&
				    2 * std::min(more.count, earlier.count) >= std::max(more.count, earlier.count))
					text += fmt::format("{}{:.1f} {}", text.empty() ? "" : ", ",
							    static_cast<double>(more.count) / options_.repeats,
							    more.what);
		return text.empty() ? text : text + " a round";
	}

	/** Lines of the kernel log that are a finding by themselves. */
	std::string warnings()
	{
		std::string text;
		log_.drain([&](const LogRecord &record) {
			for (const char *mark : {"WARNING: ", "BUG: ", "Oops"})
				if (text.empty() && record.text.find(mark) != std::string_view::npos)
					text = brief_of_warning(record.text);
		});
		return text;
	}

	static constexpr size_t kFrames = 5; /* of a stack, in the table */

	const Options &options_;
	const ClientSeat &seat_;
	Shared &shared_;
	Rounds rounds_;
	std::vector<FaultSite> sites_; /* of the operation, in order; what choose() has looked at */
	KernelLog log_;
	CensusTaker taker_{Root()};
	Census before_;
	bool clean_ = true; /* what is wrong with the operation is not so without failures */
	bool go_on_ = true;
};

class ErrorSweep : public Stressor
{
public:
	explicit ErrorSweep(Options options)
		: options_(std::move(options)), shared_(static_cast<Shared *>(shared_memory(sizeof(Shared))))
	{
	}

	uint32_t clients() const override { return 1; }
	uint32_t slots_per_client() const override { return 1; }

	Status prepare(const Driver & /*driver*/) override
	{
		return shared_ ? Status() : Status(Error{ENOMEM, "no memory for the table of the sweep"});
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto rounds = Rounds::create(Root(), static_cast<int64_t>(static_cast<double>(options_.patience_ns) *
									  seat.request.time_scale));
		if (!rounds)
			return rounds.error();
		auto log = KernelLog::open();
		if (!log)
			return log.error();
		if (!wait_for_run(seat))
			return {};
		Sweep sweep(options_, seat, *shared_, std::move(*rounds), std::move(*log));
		for (const OperationType *type : all_operations()) {
			if (!matches(options_.operations, type->name))
				continue;
			if (std::string reason = type->unsupported(); !reason.empty())
				skip(*type, reason);
			else if (!sweep.run(*type))
				return {};
		}
		return {};
	}

	nlohmann::json report() const override
	{
		auto rows = nlohmann::json::array();
		uint32_t points = shared_ ? shared_->points.load() : 0;
		for (uint32_t i = 0; i < points; i++) {
			const Point &row = shared_->table[i];
			rows.push_back({row.operation, row.n,
					row.site[0] ? row.site
					: row.n     ? "unknown"
						    : "none",
					row.error ? strerrorname_np(row.error) : "0",
					fmt::format("{} of {}", row.fired, row.rounds), row.left, row.verdict});
		}
		if (!shared_)
			return nullptr;
		if (shared_->busy.load())
			rows.push_back({shared_->under_way.operation, shared_->under_way.n, shared_->under_way.site, "",
					"", "", "the sweep ended here: its client was gone"});
		for (uint32_t i = 0; i < shared_->skipped.load(); i++) {
			const Skipped &one = shared_->not_done[i];
			rows.push_back({one.type->name, 0, "", "", "", "", std::string("not done: ") + one.reason});
		}
		return {{"counts",
			 {{"operations", shared_->operations.load()},
			  {"points", points},
			  {"clean", shared_->clean.load()},
			  {"findings", shared_->findings.load()},
			  {"rounds", shared_->rounds.load()},
			  {"failures injected", shared_->fired.load()}}},
			{"tables",
			 {{{"title", "error paths"},
			   {"columns", {"operation", "n", "allocation", "errno", "fired", "left behind", "verdict"}},
			   {"rows", rows}}}}};
	}

private:
	void skip(const OperationType &type, const std::string &reason)
	{
		uint32_t index = shared_->skipped.load();
		if (index == kMaxOperations)
			return;
		shared_->not_done[index].type = &type;
		copy_text(shared_->not_done[index].reason, reason);
		shared_->skipped.store(index + 1);
	}

	Options options_;
	Shared *shared_;
};

std::unique_ptr<Stressor> create(JsonReader reader)
{
	Options options;
	for (const std::string &glob : reader.strings_or("operations", {"*"})) {
		auto known = all_operations();
		if (std::none_of(known.begin(), known.end(),
				 [&](const OperationType *type) { return fnmatch(glob.c_str(), type->name, 0) == 0; }))
			reader.fail("operations", "patterns that match an operation; none is like '" + glob + "'");
		options.operations.push_back(glob);
	}
	options.points = static_cast<uint32_t>(reader.integer_or("jobs", 1, kMaxPoints, kMaxPoints));
	options.repeats = static_cast<uint32_t>(reader.integer_or("repeats", 2, 1000, 16));
	options.per_site = static_cast<uint32_t>(reader.integer_or("per_site", 0, 1000, 0));
	options.patience_ns = static_cast<int64_t>(reader.integer_or("patience_ms", 1, 3600000, 2000)) * kNsPerMs;
	reader.finish();
	return std::make_unique<ErrorSweep>(std::move(options));
}

std::string unsupported(const Driver & /*driver*/)
{
	auto fail_nth = FailNth::open(Root(), 0);
	return fail_nth ? "" : fail_nth.error().reason + " (CONFIG_FAULT_INJECTION)";
}

} // namespace

extern const StressorDescriptor kErrorSweep;
const StressorDescriptor kErrorSweep = {
	.kind = kStressor,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
