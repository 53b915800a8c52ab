/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>

#include "injectors/injector.h"
#include "temporary_root.h"

namespace drmsqueeze
{

extern const InjectorDescriptor kFailPageAlloc;
extern const InjectorDescriptor kFailSlab;
extern const InjectorDescriptor kFailFunction;
extern const InjectorDescriptor kFailGemAlloc;
extern const InjectorDescriptor kFailGemIova;

namespace
{

using nlohmann::json;
using testing::HasSubstr;

/** The kernel's files of all three kinds. */
class FaultAttrTest : public testing::Test
{
protected:
	void SetUp() override
	{
		add_fault_attr(tree_, "/sys/kernel/debug/fail_page_alloc",
			       {{"min-order", "1\n"}, {"ignore-gfp-wait", "Y\n"}, {"ignore-gfp-highmem", "Y\n"}});
		add_fault_attr(tree_, "/sys/kernel/debug/failslab",
			       {{"ignore-gfp-wait", "Y\n"}, {"cache-filter", "N\n"}});
		add_fault_attr(tree_, "/sys/kernel/debug/fail_function", {{"inject", ""}});
		add_fault_attr(tree_, "/sys/kernel/debug/dri/7/fail_gem_alloc", {});
		for (const char *cache : {"kmalloc-64", "kmalloc-256", "merged"}) {
			std::string directory = std::string("/sys/kernel/slab/") + cache;
			tree_.write(directory + "/failslab", "0\n");
			tree_.write(directory + "/aliases", cache == std::string("merged") ? "2\n" : "0\n");
		}
		tree_.write("/sys/kernel/debug/error_injection/list",
			    "should_fail_alloc_page\tTRUE\npanfrost_job_push [panfrost]\tERRNO\n");
		tree_.write("/proc/kallsyms", "ffffffffa0001000 t map_fault\t[panfrost]\n"
					      "ffffffffa0001080 t other\t[panfrost]\n");
		for (const auto &[pid, comm] : std::map<std::string, std::string>{{"60", "irq/25-panfrost-mmu\n"},
										  {"61", "irq/24-panfrost-job\n"},
										  {"62", "drmsq-superv\n"}}) {
			tree_.write("/proc/" + pid + "/comm", comm);
			tree_.write("/proc/" + pid + "/task/" + pid + "/comm", comm);
			tree_.write("/proc/" + pid + "/task/" + pid + "/make-it-fail", "0\n");
		}
		before_ = tree_.snapshot();
	}

	/** Whatever a test did, the journal puts back. */
	void TearDown() override
	{
		EXPECT_TRUE(journal_.restore());
		EXPECT_EQ(tree_.snapshot(), before_);
	}

	std::unique_ptr<Injector> make(const InjectorDescriptor &kind, const json &options)
	{
		options_.push_back(std::make_unique<json>(options));
		return kind.create(JsonReader(*options_.back(), "/injectors/0"), request_);
	}

	std::unique_ptr<Injector> armed(const InjectorDescriptor &kind, const json &options)
	{
		auto injector = make(kind, options);
		for (auto step : {&Injector::arm, &Injector::switch_on}) {
			Status status = (*injector.*step)(seat_);
			EXPECT_TRUE(status) << status.error().reason;
		}
		return injector;
	}

	std::string pages(const std::string &name) { return tree_.read("/sys/kernel/debug/fail_page_alloc/" + name); }
	std::string slab(const std::string &name) { return tree_.read("/sys/kernel/debug/failslab/" + name); }

	TemporaryRoot tree_;
	std::map<std::string, std::string> before_;
	std::vector<std::unique_ptr<json>> options_;
	Request request_;
	RestoreJournal journal_ = std::move(*RestoreJournal::create(tree_.path("/run/restore.json")));
	InjectorSeat seat_{request_, tree_.root(), journal_, 0};
};

TEST_F(FaultAttrTest, WritesEveryKnob)
{
	auto injector =
		make(kFailPageAlloc, {{"probability", 50}, {"times", 1000}, {"scope", {{"stack", "map_fault"}}}});
	ASSERT_TRUE(injector->check(seat_));
	ASSERT_TRUE(injector->arm(seat_));
	EXPECT_EQ(pages("probability"), "0") << "on before the others are armed";
	ASSERT_TRUE(injector->switch_on(seat_));
	for (const auto &[name, value] : std::map<std::string, std::string>{
		     {"probability", "50"},
		     {"interval", "1"},
		     {"times", "1000"},
		     {"space", "0"},
		     {"verbose", "1"},
		     {"verbose_ratelimit_interval_ms", "250"},
		     {"verbose_ratelimit_burst", "10"},
		     {"task-filter", "N"},
		     {"min-order", "0"},
		     {"ignore-gfp-wait", "N"},
		     {"ignore-gfp-highmem", "N"},
		     {"stacktrace-depth", "32"},
		     {"require-start", "0xffffffffa0001000"},
		     {"require-end", "0xffffffffa0001080"},
		     {"reject-start", "0"},
		     {"reject-end", "0"},
	     })
		EXPECT_EQ(pages(name), value) << name;
	EXPECT_EQ(injector->report()["settings"]["probability"], "50");
	EXPECT_EQ(injector->report()["settings"]["scope"], json({{"stack", "map_fault"}}));
}

TEST_F(FaultAttrTest, CountsWhatFiredFromTimes)
{
	auto injector = armed(kFailPageAlloc, {{"times", 1000}});
	injector->read_counters();
	EXPECT_TRUE(injector->never_fired());
	tree_.write("/sys/kernel/debug/fail_page_alloc/times", "993\n");
	injector->read_counters();
	EXPECT_FALSE(injector->never_fired());
	EXPECT_EQ(injector->report()["fired"], 7);
	EXPECT_EQ(injector->report()["settings"]["times"], "1000");
}

TEST_F(FaultAttrTest, ThreadScopeMarksMatchingThreadsOnly)
{
	auto injector = armed(kFailPageAlloc, {{"scope", {{"thread", "irq/*panfrost-mmu*"}}}});
	EXPECT_EQ(tree_.read("/proc/60/task/60/make-it-fail"), "1");
	EXPECT_EQ(tree_.read("/proc/61/task/61/make-it-fail"), "0\n");
	EXPECT_EQ(pages("task-filter"), "Y");
	EXPECT_EQ(pages("require-end"), "0xffffffffffffffff");
	EXPECT_EQ(injector->report()["settings"]["scope"]["matched"], json({"irq/25-panfrost-mmu (60)"}));
}

TEST_F(FaultAttrTest, OurOwnProcessesAreSpared)
{
	auto injector = make(kFailPageAlloc, {{"scope", {{"thread", "drmsq*"}}}});
	EXPECT_TRUE(injector->check(seat_)) << "clients are not there yet";
	EXPECT_EQ(injector->arm(seat_).error().code, ENOENT);
}

TEST_F(FaultAttrTest, WhatIsMissingIsToldBeforeAnythingIsTurned)
{
	EXPECT_EQ(make(kFailPageAlloc, {{"scope", {{"stack", "inlined_away"}}}})->check(seat_).error().code, ENOENT);
	EXPECT_EQ(make(kFailSlab, {{"scope", {{"module", "lima"}}}})->check(seat_).error().code, ENOENT);
	auto injector = make(kFailPageAlloc, json::object());
	EXPECT_TRUE(injector->check(seat_));
	std::filesystem::remove(tree_.path("/sys/kernel/debug/fail_page_alloc/space"));
	EXPECT_EQ(injector->check(seat_).error().code, ENOTSUP);
	tree_.write("/sys/kernel/debug/fail_page_alloc/space", "0\n");
}

TEST_F(FaultAttrTest, SomebodyElsesInjectionIsLeftAlone)
{
	tree_.write("/sys/kernel/debug/failslab/probability", "5\n");
	EXPECT_EQ(make(kFailSlab, json::object())->check(seat_).error().code, EBUSY);
	tree_.write("/sys/kernel/debug/failslab/probability", "0\n");
	tree_.write("/sys/kernel/debug/fail_function/inject", "other_function\n");
	EXPECT_EQ(make(kFailFunction, {{"function", "panfrost_job_push"}})->check(seat_).error().code, EBUSY);
	tree_.write("/sys/kernel/debug/fail_function/inject", "");
}

TEST_F(FaultAttrTest, PhasesTurnTheProbabilityOnly)
{
	seat_.intensity = 0;
	auto injector = armed(kFailSlab, {{"probability", 30}});
	EXPECT_EQ(slab("probability"), "0");
	for (const auto &[intensity, probability] :
	     {std::pair{0.01, "30"}, std::pair{1.0, "30"}, std::pair{0.0, "0"}, std::pair{0.5, "30"}}) {
		seat_.intensity = intensity;
		ASSERT_TRUE(injector->adjust(seat_));
		EXPECT_EQ(slab("probability"), probability) << intensity;
	}
	seat_.intensity = 0;
	ASSERT_TRUE(injector->adjust(seat_));
	EXPECT_EQ(injector->report()["settings"]["probability"], "30") << "what it was when it was on";
}

TEST_F(FaultAttrTest, GfpClasses)
{
	for (const auto &[gfp, wait, highmem] :
	     {std::tuple{"any", "N", "N"}, std::tuple{"no-wait", "Y", "N"}, std::tuple{"no-highmem", "N", "Y"},
	      std::tuple{"no-wait-no-highmem", "Y", "Y"}}) {
		auto injector = armed(kFailPageAlloc, {{"gfp", gfp}, {"min_order", 2}});
		EXPECT_EQ(pages("ignore-gfp-wait"), wait) << gfp;
		EXPECT_EQ(pages("ignore-gfp-highmem"), highmem) << gfp;
		EXPECT_EQ(pages("min-order"), "2");
		ASSERT_TRUE(journal_.restore());
	}
	auto injector = armed(kFailSlab, {{"gfp", "no-wait"}});
	EXPECT_EQ(slab("ignore-gfp-wait"), "Y");
	EXPECT_THROW(make(kFailSlab, {{"gfp", "no-highmem"}}), ScenarioError);
	EXPECT_THROW(make(kFailPageAlloc, {{"gfp", "may-block"}}), ScenarioError);
}

TEST_F(FaultAttrTest, SlabCachesByName)
{
	auto injector = armed(kFailSlab, {{"caches", {"kmalloc-256"}}});
	EXPECT_EQ(slab("cache-filter"), "Y");
	EXPECT_EQ(tree_.read("/sys/kernel/slab/kmalloc-256/failslab"), "1");
	EXPECT_EQ(tree_.read("/sys/kernel/slab/kmalloc-64/failslab"), "0\n");
	EXPECT_EQ(injector->report()["settings"]["caches"], json({"kmalloc-256"}));
}

TEST_F(FaultAttrTest, SlabCachesThatCannotBeMarked)
{
	Status missing = make(kFailSlab, {{"caches", {"kmalloc-257"}}})->check(seat_);
	EXPECT_EQ(missing.error().code, ENOTSUP);
	EXPECT_THAT(missing.error().reason, HasSubstr("kmalloc-256"));
	EXPECT_THAT(make(kFailSlab, {{"caches", {"merged"}}})->check(seat_).error().reason, HasSubstr("slab_nomerge"));
	EXPECT_THROW(make(kFailSlab, {{"caches", {"../x"}}}), ScenarioError);
}

TEST_F(FaultAttrTest, FunctionIsAddedWithItsReturnValue)
{
	tree_.write("/sys/kernel/debug/fail_function/panfrost_job_push/retval", "ffffffffffffffea\n");
	auto injector = make(kFailFunction, {{"function", "panfrost_job_push"}, {"retval", "-ENOMEM"}, {"times", 1}});
	ASSERT_TRUE(injector->check(seat_));
	ASSERT_TRUE(injector->arm(seat_));
	EXPECT_EQ(tree_.read("/sys/kernel/debug/fail_function/panfrost_job_push/retval"), "0xfffffffffffffff4");
	EXPECT_EQ(tree_.read("/sys/kernel/debug/fail_function/inject"), "panfrost_job_push");
	EXPECT_EQ(injector->report()["settings"]["retval"], "-12");
	ASSERT_TRUE(journal_.restore());
	EXPECT_EQ(tree_.read("/sys/kernel/debug/fail_function/inject"), "!panfrost_job_push");
	/* What the kernel would have done by itself. */
	tree_.write("/sys/kernel/debug/fail_function/inject", "");
	std::filesystem::remove_all(tree_.path("/sys/kernel/debug/fail_function/panfrost_job_push"));
}

TEST_F(FaultAttrTest, FunctionsAndValuesThatTheKernelWouldRefuse)
{
	Status unknown = make(kFailFunction, {{"function", "panfrost_job_pushed"}})->check(seat_);
	EXPECT_EQ(unknown.error().code, ENOTSUP);
	EXPECT_THAT(unknown.error().reason, HasSubstr("nearest there: panfrost_job_push"));
	EXPECT_EQ(make(kFailFunction, {{"function", "panfrost_job_push"}, {"retval", "0"}})->check(seat_).error().code,
		  EINVAL);
	EXPECT_THROW(make(kFailFunction, {{"function", "!panfrost_job_push"}}), ScenarioError);
	EXPECT_THROW(make(kFailFunction, json::object()), ScenarioError);
}

TEST_F(FaultAttrTest, FunctionByThreadNeedsKprobesThatAreTraced)
{
	json options = {{"function", "panfrost_job_push"}, {"scope", {{"thread", "irq/*"}}}};
	EXPECT_EQ(make(kFailFunction, options)->check(seat_).error().code, ENOTSUP);
	std::string symbols = tree_.read("/proc/kallsyms");
	tree_.write("/proc/kallsyms", symbols + "ffffffff81001000 T kprobe_ftrace_handler\n");
	EXPECT_TRUE(make(kFailFunction, options)->check(seat_));
	tree_.write("/proc/kallsyms", symbols);
}

TEST_F(FaultAttrTest, TheDriversOwnPointsAreFoundWhereItsDeviceIs)
{
	auto injector = armed(kFailGemAlloc, {{"space", 4096}, {"times", 5}});
	EXPECT_EQ(tree_.read("/sys/kernel/debug/dri/7/fail_gem_alloc/probability"), "100");
	EXPECT_EQ(tree_.read("/sys/kernel/debug/dri/7/fail_gem_alloc/space"), "4096");
	tree_.write("/sys/kernel/debug/dri/7/fail_gem_alloc/times", "3\n");
	injector->read_counters();
	EXPECT_EQ(injector->report()["fired"], 2);

	EXPECT_EQ(make(kFailGemIova, json::object())->check(seat_).error().code, ENOTSUP);
	EXPECT_EQ(kFailGemAlloc.unsupported(tree_.root()), "");
	EXPECT_THAT(kFailGemIova.unsupported(tree_.root()), HasSubstr("the driver msm"));
}

TEST_F(FaultAttrTest, OneScopeOnly)
{
	EXPECT_THROW(make(kFailPageAlloc, {{"scope", {{"stack", "a"}, {"module", "b"}}}}), ScenarioError);
	EXPECT_THROW(make(kFailPageAlloc, {{"scope", json::object()}}), ScenarioError);
}

} // namespace
} // namespace drmsqueeze
