// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the CSF model's groups and queues: planted faults.
 */
#include "mali_csf_queue_test.h"

static void plant(struct ctx *c, enum csf_fault fault, u64 nth, s64 count, u64 value)
{
	gpu_model_fault_plant(c->gm, fault, nth, count, value);
}

static void off(struct ctx *c, enum csf_fault fault)
{
	plant(c, fault, 0, 0, 0);
}

static struct stream store(struct ctx *c)
{
	struct stream s = stream(c);

	store64(&s, VA_DATA, 1);
	return s;
}

/* A pass that needs one chunk more than there is. */
static struct stream short_pass(struct ctx *c)
{
	struct stream s = stream(c);

	emit_pass_begin(&s, 0x100000000ull);
	emit_consume(&s, 2 * CHUNK_BYTES);
	emit_pass_end(&s);
	heap_init(c, 1);
	return s;
}

static void planted_fatal(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = store(c);

	plant(c, CSF_FAULT_CS_FATAL, 2, 1, CSF_EXCEPTION_CS_UNRECOVERABLE);
	begin_and_run(test, &s);
	EXPECT_DONE(test, 0, 0);
	run(test, 0, 0, &s);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 1);
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_CS_UNRECOVERABLE);
	run(test, 0, 1, &s);
	EXPECT_DONE(test, 0, 1);
}

static void planted_fault(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = store(c);

	plant(c, CSF_FAULT_CS_FAULT, 1, 1, CSF_EXCEPTION_CS_INHERIT_FAULT);
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_FAULT);
	see_events(c, 0);
	settle(test);
	EXPECT_DONE(test, 0, 0);
}

static void planted_never_finish(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = store(c);

	plant(c, CSF_FAULT_NEVER_FINISH, 1, 1, 0);
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), POISON);
	run(test, 0, 1, &s);
	EXPECT_DONE(test, 0, 1);
}

static void planted_progress_timeout(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = store(c);

	plant(c, CSF_FAULT_PROGRESS_TIMEOUT, 1, 1, 0);
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, group_events(c, 0) & CSG_PROGRESS_TIMER_EVENT, CSG_PROGRESS_TIMER_EVENT);
}

static void planted_delay_job(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, CSF_FAULT_DELAY_JOB);
	struct stream s = store(c);

	plant(c, CSF_FAULT_DELAY_JOB, 1, 1, 3600ull * 1000 * 1000);
	begin(c, 0, CSG_STATE_START);
	submit(c, 0, 0, &s);
	WAIT_FOR(test, fired(c, CSF_FAULT_DELAY_JOB) != before);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), POISON);
	off(c, CSF_FAULT_DELAY_JOB);
	settle(test);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), 1);
}

static void planted_corrupt_heap(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = short_pass(c);

	plant(c, CSF_FAULT_CORRUPT_HEAP, 3, 1, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, heap_status(c)->wrong, 1);
}

/* The event comes late; switching the fault off ends the delay. */
static void planted_delay_oom(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, CSF_FAULT_DELAY_OOM);
	struct stream s = short_pass(c);

	plant(c, CSF_FAULT_DELAY_OOM, 1, 1, 3600ull * 1000 * 1000);
	begin(c, 0, CSG_STATE_START);
	submit(c, 0, 0, &s);
	WAIT_FOR(test, fired(c, CSF_FAULT_DELAY_OOM) != before);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), 0);
	off(c, CSF_FAULT_DELAY_OOM);
	settle(test);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_TILER_OOM);
	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	EXPECT_DONE(test, 0, 0);
}

static void planted_delay_answer(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = fired(c, CSF_FAULT_DELAY_ANSWER);
	struct stream s = short_pass(c);

	plant(c, CSF_FAULT_DELAY_ANSWER, 1, 1, 3600ull * 1000 * 1000);
	begin_and_run(test, &s);
	answer(c, 0, 0, chunk_pointer(1));
	KUNIT_EXPECT_EQ(test, fired(c, CSF_FAULT_DELAY_ANSWER) - before, 1);
	msleep(20);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	off(c, CSF_FAULT_DELAY_ANSWER);
	settle(test);
	EXPECT_DONE(test, 0, 0);
}

/* A chunk for which nobody waits any more is kept for later. */
static void planted_repeat_oom(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 unneeded = counter(c, CSF_CHUNKS_UNNEEDED);
	struct stream s = short_pass(c);

	plant(c, CSF_FAULT_REPEAT_OOM, 1, 1, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_TILER_OOM);
	answer(c, 0, 0, chunk_pointer(2));
	settle(test);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_CHUNKS_UNNEEDED) - unneeded, 1);
	KUNIT_EXPECT_EQ(test, *at(c, VA_PAGE(PAGE_HEAP)), chunk_pointer(2));
}

static void planted_bad_heap_statistics(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = short_pass(c);

	plant(c, CSF_FAULT_BAD_HEAP_STATISTICS, 1, 1, 0);
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_TILER_OOM);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_HEAP_VT_START), *fw(c, CSF_CS_OUTPUT(0, 0) + CS_HEAP_VT_END));
}

static void planted_delay_event(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = store(c);
	u64 before;

	begin(c, 0, CSG_STATE_START);
	settle(test);
	see_events(c, 0);
	before = fired(c, CSF_FAULT_DELAY_EVENT);
	plant(c, CSF_FAULT_DELAY_EVENT, 1, 1, 3600ull * 1000 * 1000);
	submit(c, 0, 0, &s);
	WAIT_FOR(test, fired(c, CSF_FAULT_DELAY_EVENT) != before);
	KUNIT_EXPECT_EQ(test, group_events(c, 0) & CSG_SYNC_UPDATE, 0);
	off(c, CSF_FAULT_DELAY_EVENT);
	settle(test);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, group_events(c, 0) & CSG_SYNC_UPDATE, CSG_SYNC_UPDATE);
}

static void planted_repeat_event(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = store(c);

	begin(c, 0, CSG_STATE_START);
	settle(test);
	see_events(c, 0);
	plant(c, CSF_FAULT_REPEAT_EVENT, 1, 1, 0);
	run(test, 0, 0, &s);
	see_events(c, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), CSG_SYNC_UPDATE);
	see_events(c, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(planted_fatal),
	KUNIT_CASE(planted_fault),
	KUNIT_CASE(planted_never_finish),
	KUNIT_CASE(planted_progress_timeout),
	KUNIT_CASE(planted_delay_job),
	KUNIT_CASE(planted_corrupt_heap),
	KUNIT_CASE(planted_delay_oom),
	KUNIT_CASE(planted_delay_answer),
	KUNIT_CASE(planted_repeat_oom),
	KUNIT_CASE(planted_bad_heap_statistics),
	KUNIT_CASE(planted_delay_event),
	KUNIT_CASE(planted_repeat_event),
	{}
};

struct kunit_suite mali_csf_queue_fault_suite = {
	.name = "mali_csf_queue_fault",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
