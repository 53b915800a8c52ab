// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the CSF model's groups and queues: the life cycle of groups.
 */
#include "mali_csf_queue_test.h"

static u32 state(struct ctx *c, u32 g)
{
	return *fw(c, CSF_CSG_OUTPUT(g) + CSG_ACK) & CSG_STATE;
}

/* Answered in the write of the doorbell; START takes back what the slot's last group has left. */
static void start_is_answered_at_once(struct kunit *test)
{
	struct ctx *c = test->priv;

	*fw(c, CSF_CS_OUTPUT(0, 0) + CS_ACK) = CS_TILER_OOM | CS_FATAL;
	begin(c, 0, CSG_STATE_START);
	KUNIT_EXPECT_EQ(test, state(c, 0), CSG_STATE_START);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_ACK), *fw(c, CSF_CS_INPUT(0, 0) + CS_REQ));
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CSG_OUTPUT(0) + CSG_DOORBELL_ACK), *fw(c, CSF_CSG_INPUT(0) + CSG_DOORBELL_REQ));
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT + GPU_MODEL_IRQ_RAWSTAT) & JOB_INT_CSG_IF(0), JOB_INT_CSG_IF(0));
}

static void idle_is_said_once(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);
	u64 before;

	store64(&s, VA_DATA, 1);
	begin(c, 0, CSG_STATE_START);
	settle(test);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), CSG_IDLE);
	see_events(c, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), 0);

	before = counter(c, CSF_IDLE_EVENTS);
	run(test, 0, 0, &s);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), CSG_IDLE | CSG_SYNC_UPDATE);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_IDLE_EVENTS) - before, 1);
	status_update(c, 0);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CSG_OUTPUT(0) + CSG_STATUS_STATE), CSG_STATUS_STATE_IS_IDLE);
}

/* The kernel that has not yet seen an event would miss it if the bit were toggled a second time. */
static void an_unseen_event_stays(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	store64(&s, VA_DATA, 1);
	begin_and_run(test, &s);
	run(test, 0, 0, &s);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), CSG_IDLE | CSG_SYNC_UPDATE);
}

static void a_busy_group_is_not_idle(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	emit(&s, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_PRIVATE_HANG);
	begin(c, 0, CSG_STATE_START);
	settle(test);
	see_events(c, 0);
	run(test, 0, 0, &s);
	KUNIT_EXPECT_EQ(test, group_events(c, 0), 0);
	status_update(c, 0);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CSG_OUTPUT(0) + CSG_STATUS_STATE), 0);
	request(c, 0, CSG_STATE_TERMINATE);
	KUNIT_EXPECT_EQ(test, state(c, 0), CSG_STATE_TERMINATE);
}

/* Registers, the call stack and the place in the ring come back, in another slot, with another group in between. */
static void suspended_in_the_middle(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream waits = stream(c), other = stream(c);

	move64(&waits, 30, 0xabcdef0123456789ull);
	move64(&waits, R_ADDR, VA_DATA + 64);
	move64(&waits, 10, 0);
	emit(&waits, MALI_CSF_OP(MALI_CSF_SYNC_WAIT32) | MALI_CSF_B(R_ADDR) | MALI_CSF_C(10) | (u64)MALI_CSF_COND_GT << 28);
	move64(&waits, R_ADDR, VA_DATA);
	emit(&waits, MALI_CSF_OP(MALI_CSF_STORE_MULTIPLE) | MALI_CSF_A(30) | MALI_CSF_B(R_ADDR) | 3 << 16);
	move64(&other, 30, 0);
	store64(&other, VA_DATA + 128, 1);

	*at(c, VA_DATA + 64) = 0;
	begin_and_run(test, &waits);
	see_events(c, 0);
	request(c, 0, CSG_STATE_SUSPEND);
	KUNIT_EXPECT_EQ(test, state(c, 0), CSG_STATE_SUSPEND);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_STATUS_BLOCKED_REASON), CS_STATUS_BLOCKED_REASON_SYNC_WAIT);

	begin_in_slot(c, 1, 0, CSG_STATE_START);
	*fw64(c, CSF_SHARED_VA + MCU_IFACE(1, 0) * PAGE_SIZE + CS_RING_INSERT) = 0;
	submit(c, 1, 0, &other);
	wr(c, CSF_DOORBELL(1), 1);
	settle(test);
	EXPECT_DONE(test, 1, 0);

	*at(c, VA_DATA + 64) = 1;
	begin_in_slot(c, 0, 2, CSG_STATE_RESUME);
	settle(test);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), 0xabcdef0123456789ull);
}

/* A delay passes only while the group has a slot, and is not forgotten. */
static void suspended_in_a_delay(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = counter(c, CSF_JOBS_STARTED);
	struct stream s = stream(c), other = stream(c);

	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(8) | 60000000);
	emit(&s, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_B(8) | MALI_CSF_PRIVATE_DELAY);
	begin(c, 0, CSG_STATE_START);
	submit(c, 0, 0, &s);
	WAIT_FOR(test, counter(c, CSF_JOBS_STARTED) != before);
	request(c, 0, CSG_STATE_SUSPEND);
	settle(test);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	begin(c, 0, CSG_STATE_RESUME);
	/* The other queue has its turn after this one, so that this one had it as well. */
	store64(&other, VA_DATA, 1);
	submit(c, 0, 1, &other);
	WAIT_FOR(test, done(c, 0, 1) == 1);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	request(c, 0, CSG_STATE_TERMINATE);
	settle(test);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
}

static void nothing_to_resume_from_is_fatal(struct kunit *test)
{
	struct ctx *c = test->priv;

	begin(c, 0, CSG_STATE_RESUME);
	c->expected_unsupported += 2;
	KUNIT_EXPECT_EQ(test, state(c, 0), CSG_STATE_RESUME);
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_FW_INTERNAL_ERROR);
}

/* An endless stream costs time, but never the interface; and it can be ended. */
static void an_endless_stream(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream loop = stream(c), s = stream(c);

	emit(&loop, MALI_CSF_OP(MALI_CSF_BRANCH) | (u64)MALI_CSF_COND_ALWAYS << 28 | (u16)-1);
	store64(&s, VA_DATA, 1);
	begin(c, 0, CSG_STATE_START);
	begin(c, 1, CSG_STATE_START);
	submit(c, 0, 0, &loop);
	submit(c, 1, 0, &s);
	WAIT_FOR(test, done(c, 1, 0) == 1);
	request(c, 0, CSG_STATE_TERMINATE);
	KUNIT_EXPECT_EQ(test, state(c, 0), CSG_STATE_TERMINATE);
	settle(test);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
}

static void reset_forgets_groups(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	emit(&s, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_PRIVATE_HANG);
	begin_and_run(test, &s);
	wr(c, MCU_CONTROL, MCU_CONTROL_DISABLE);
	wr(c, MCU_CONTROL, MCU_CONTROL_AUTO);
	settle(test);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	s = stream(c);
	store64(&s, VA_DATA, 1);
	*fw64(c, CSF_SHARED_VA + MCU_IFACE(0, 0) * PAGE_SIZE + CS_RING_INSERT) =
		*fw64(c, CSF_SHARED_VA + (MCU_IFACE(0, 0) + 1) * PAGE_SIZE + CS_RING_EXTRACT);
	/* The request says START already: the firmware has forgotten, and so has its answer to be. */
	*fw(c, CSF_CSG_OUTPUT(0) + CSG_ACK) &= ~CSG_STATE;
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(start_is_answered_at_once),
	KUNIT_CASE(idle_is_said_once),
	KUNIT_CASE(an_unseen_event_stays),
	KUNIT_CASE(a_busy_group_is_not_idle),
	KUNIT_CASE(suspended_in_the_middle),
	KUNIT_CASE(suspended_in_a_delay),
	KUNIT_CASE(nothing_to_resume_from_is_fatal),
	KUNIT_CASE(an_endless_stream),
	KUNIT_CASE(reset_forgets_groups),
	{}
};

struct kunit_suite mali_csf_group_suite = {
	.name = "mali_csf_group",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
