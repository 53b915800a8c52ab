/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>

#include "injectors/kallsyms.h"

namespace drmsqueeze
{
namespace
{

/* Unsorted, as /proc/kallsyms is across modules; data symbols in between, as with CONFIG_KALLSYMS_ALL. */
constexpr const char *kText = "ffffffff81000000 T _text\n"
			      "ffffffff81000100 t helper\n"
			      "ffffffffa0002000 t last_one\t[panfrost]\n"
			      "ffffffffa0001000 t map_fault_addr\t[panfrost]\n"
			      "ffffffffa0001080 d some_data\t[panfrost]\n"
			      "ffffffffa0001040 t foreign\t[drm]\n"
			      "ffffffffa0001100 t flush.isra.0\t[panfrost]\n"
			      "ffffffffa0001100 t flush_alias\t[panfrost]\n"
			      "ffffffffa0001180 t helper\t[panfrost]\n"
			      "ffffffffa0001200 t flush.cold\t[panfrost]\n";

TEST(Kallsyms, FunctionEndsAtTheNextOfItsModule)
{
	auto symbols = Kallsyms::parse(kText);
	ASSERT_TRUE(symbols);
	auto range = symbols->function("map_fault_addr");
	ASSERT_TRUE(range);
	EXPECT_EQ(range->begin, 0xffffffffa0001000U);
	EXPECT_EQ(range->end, 0xffffffffa0001100U);
}

TEST(Kallsyms, CloneCountsAsTheFunctionItsColdPartDoesNot)
{
	auto range = Kallsyms::parse(kText)->function("flush");
	ASSERT_TRUE(range);
	EXPECT_EQ(range->begin, 0xffffffffa0001100U);
	EXPECT_EQ(range->end, 0xffffffffa0001180U);
}

TEST(Kallsyms, LastFunctionEndsWithItsPage)
{
	auto range = Kallsyms::parse(kText)->function("last_one");
	ASSERT_TRUE(range);
	EXPECT_EQ(range->end, 0xffffffffa0003000U);
}

TEST(Kallsyms, MissingAndAmbiguousFunctions)
{
	auto symbols = Kallsyms::parse(kText);
	EXPECT_EQ(symbols->function("nope").error().code, ENOENT);
	EXPECT_EQ(symbols->function("map_fault").error().code, ENOENT);
	EXPECT_EQ(symbols->function("helper").error().code, ENOTUNIQ);
}

TEST(Kallsyms, ModuleIsAllOfItsText)
{
	auto range = Kallsyms::parse(kText)->module("panfrost");
	ASSERT_TRUE(range);
	EXPECT_EQ(range->begin, 0xffffffffa0001000U);
	EXPECT_EQ(range->end, 0xffffffffa0003000U);
	EXPECT_EQ(Kallsyms::parse(kText)->module("lima").error().code, ENOENT);
}

TEST(Kallsyms, HiddenAddresses)
{
	EXPECT_EQ(Kallsyms::parse("0000000000000000 T _text\n0000000000000000 t a\n").error().code, EPERM);
	EXPECT_TRUE(Kallsyms::parse("0000000000000000 T percpu_start\nffffffff81000000 T _text\n"));
}

} // namespace
} // namespace drmsqueeze
