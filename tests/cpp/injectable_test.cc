/* SPDX-License-Identifier: MIT */
#include <cerrno>
#include <gmock/gmock.h>

#include "injectors/injectable.h"
#include "injectors/nearest.h"

namespace drmsqueeze
{
namespace
{

using testing::HasSubstr;

/* As a lab kernel with panfrost prints it. */
constexpr std::string_view kList = "should_failslab\tERRNO\n"
				   "should_fail_alloc_page\tTRUE\n"
				   "__x64_sys_read\tERRNO\n"
				   "panfrost_job_push [panfrost]\tERRNO\n"
				   "panfrost_gem_mapping_get [panfrost]\tNULL\n"
				   "either [m]\tERRNO_NULL\n";

TEST(Injectable, OfTheKernelAndOfModules)
{
	EXPECT_EQ(find_injectable(kList, "should_failslab")->module, "");
	auto push = find_injectable(kList, "panfrost_job_push");
	ASSERT_TRUE(push);
	EXPECT_EQ(push->module, "panfrost");
	EXPECT_EQ(push->returns, FailureReturn::error);
}

TEST(Injectable, WhatIsNotListedIsToldWithTheNearest)
{
	auto missing = find_injectable(kList, "panfrost_job_pusch");
	ASSERT_FALSE(missing);
	EXPECT_EQ(missing.error().code, ENOTSUP);
	EXPECT_THAT(missing.error().reason, HasSubstr("nearest there: panfrost_job_push, "));
	EXPECT_THAT(missing.error().reason, HasSubstr(kInjectableList));
	EXPECT_EQ(find_injectable(kList, "panfrost").error().code, ENOTSUP) << "a module is no function";
	EXPECT_THAT(find_injectable("", "x").error().reason, HasSubstr("nearest there: none"));
}

TEST(Injectable, ErrnoByNameAndNumber)
{
	EXPECT_EQ(*errno_value("-ENOMEM"), -ENOMEM);
	EXPECT_EQ(*errno_value("EINTR"), -EINTR);
	EXPECT_EQ(*errno_value("-12"), -12);
	for (const char *wrong : {"12", "0", "-4096", "-ENOSUCHERRNO", "", "-", "-12x"})
		EXPECT_EQ(errno_value(wrong).error().code, EINVAL) << wrong;
}

TEST(Injectable, ReturnsWhatItsTypeAllows)
{
	auto value = [](const char *function, const char *wanted) {
		return injected_value(*find_injectable(kList, function), wanted);
	};
	EXPECT_EQ(*value("panfrost_job_push", "-ENOMEM"), 0xfffffffffffffff4);
	EXPECT_EQ(*value("panfrost_job_push", ""), 0xfffffffffffffff4);
	EXPECT_EQ(value("panfrost_job_push", "0").error().code, EINVAL);
	EXPECT_EQ(*value("panfrost_gem_mapping_get", ""), 0U);
	EXPECT_EQ(value("panfrost_gem_mapping_get", "-ENOMEM").error().code, EINVAL);
	EXPECT_EQ(*value("should_fail_alloc_page", ""), 1U);
	EXPECT_EQ(value("should_fail_alloc_page", "0").error().code, EINVAL);
	EXPECT_EQ(*value("either", "NULL"), 0U);
	EXPECT_EQ(*value("either", "-EIO"), static_cast<uint64_t>(-EIO));
}

TEST(Nearest, ByEdits)
{
	EXPECT_EQ(nearest("kmalloc-255", {"dentry", "kmalloc-256", "kmalloc-512", "kmalloc-2k"}),
		  "kmalloc-256, kmalloc-2k, kmalloc-512");
	EXPECT_EQ(nearest("a", {}), "none");
}

} // namespace
} // namespace drmsqueeze
