// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the CSF model's groups and queues: instructions.
 */
#include "mali_csf_queue_test.h"

static void a_job_runs_and_says_so(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 output = CSF_SHARED_VA + (MCU_IFACE(0, 0) + 1) * PAGE_SIZE;
	struct stream s = stream(c);

	store64(&s, VA_DATA, 0x1122334455667788ull);
	begin(c, 0, CSG_STATE_START);
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	run(test, 0, 0, &s);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), 0x1122334455667788ull);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA + 8), POISON);
	KUNIT_EXPECT_EQ(test, group_events(c, 0) & CSG_SYNC_UPDATE, CSG_SYNC_UPDATE);
	KUNIT_EXPECT_EQ(test, rd(c, JOB_INT + GPU_MODEL_IRQ_RAWSTAT), JOB_INT_CSG_IF(0));
	KUNIT_EXPECT_EQ(test, *fw64(c, output + CS_RING_EXTRACT), 128);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), 0);
}

/* More jobs than the ring holds, on two queues. */
static void the_ring_wraps(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	begin(c, 0, CSG_STATE_START);
	for (i = 0; i < 3 * PAGE_SIZE / 128; i++) {
		struct stream s;

		c->used = i % 16;
		s = stream(c);
		store64(&s, VA_DATA + 8 * (i % 512), i);
		run(test, 0, i & 1, &s);
		KUNIT_EXPECT_EQ(test, *at(c, VA_DATA + 8 * (i % 512)), i);
	}
	EXPECT_DONE(test, 0, 0);
	EXPECT_DONE(test, 0, 1);
}

/* When a job says that it is done, the kernel may overwrite its part of the ring. */
static void a_line_is_fetched_once(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	store64(&s, VA_PAGE(PAGE_RING(0, 0)) + 8 * 6, MALI_CSF_OP(0xee));
	begin_and_run(test, &s);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), 0);
}

static void arithmetic_and_memory(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);
	u64 *data = at(c, VA_DATA);

	data[0] = 0x1111111122222222ull;
	data[1] = 0x3333333344444444ull;
	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE48) | MALI_CSF_A(R_ADDR) | (VA_DATA + 16));
	/* r10, r12 and r13 from the two words, changed, and back behind the next */
	emit(&s, MALI_CSF_OP(MALI_CSF_LOAD_MULTIPLE) | MALI_CSF_A(10) | MALI_CSF_B(R_ADDR) | 0xd << 16 | (u16)-16);
	emit(&s, MALI_CSF_OP(MALI_CSF_ADD_IMM32) | MALI_CSF_A(10) | MALI_CSF_B(10) | (u32)-2);
	emit(&s, MALI_CSF_OP(MALI_CSF_ADD_IMM64) | MALI_CSF_A(12) | MALI_CSF_B(12) | (u32)-0x44444445);
	emit(&s, MALI_CSF_OP(MALI_CSF_STORE_MULTIPLE) | MALI_CSF_A(10) | MALI_CSF_B(R_ADDR) | 0xd << 16 | 8);
	begin_and_run(test, &s);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, data[2], POISON);
	KUNIT_EXPECT_EQ_MSG(test, data[3], (POISON & GENMASK_ULL(63, 32)) | 0x22222220, "r11 was not asked for");
	KUNIT_EXPECT_EQ(test, data[4], 0x33333332ffffffffull);
	KUNIT_EXPECT_EQ(test, data[5], POISON);
}

static void a_loop_ends_when_it_should(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	move64(&s, R_ADDR, VA_DATA);
	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(10) | 5);
	emit(&s, MALI_CSF_OP(MALI_CSF_STORE_MULTIPLE) | MALI_CSF_A(10) | MALI_CSF_B(R_ADDR) | 1 << 16);
	emit(&s, MALI_CSF_OP(MALI_CSF_ADD_IMM64) | MALI_CSF_A(R_ADDR) | MALI_CSF_B(R_ADDR) | 8);
	emit(&s, MALI_CSF_OP(MALI_CSF_ADD_IMM32) | MALI_CSF_A(10) | MALI_CSF_B(10) | (u32)-1);
	emit(&s, MALI_CSF_OP(MALI_CSF_BRANCH) | MALI_CSF_B(10) | (u64)MALI_CSF_COND_GT << 28 | (u16)-4);
	begin_and_run(test, &s);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, (u32)*at(c, VA_DATA), 5);
	KUNIT_EXPECT_EQ(test, (u32)*at(c, VA_DATA + 32), 1);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA + 40), POISON);
}

static void streams_call_and_jump(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream callee = stream(c), tail = stream(c), s = stream(c);

	store64(&tail, VA_DATA + 8, 2);
	store64(&callee, VA_DATA, 1);
	move64(&callee, 20, tail.va);
	emit(&callee, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(22) | tail.n * 8);
	emit(&callee, MALI_CSF_OP(MALI_CSF_JUMP) | MALI_CSF_B(20) | MALI_CSF_C(22));
	store64(&callee, VA_DATA + 24, 4);
	move64(&s, 20, callee.va);
	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(22) | callee.n * 8);
	emit(&s, MALI_CSF_OP(MALI_CSF_CALL) | MALI_CSF_B(20) | MALI_CSF_C(22));
	store64(&s, VA_DATA + 16, 3);
	begin_and_run(test, &s);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), 1);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA + 8), 2);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA + 16), 3);
	KUNIT_EXPECT_EQ_MSG(test, *at(c, VA_DATA + 24), POISON, "a JUMP does not come back");
}

static void calls_are_limited(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	move64(&s, 20, s.va);
	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(22) | 32);
	emit(&s, MALI_CSF_OP(MALI_CSF_CALL) | MALI_CSF_B(20) | MALI_CSF_C(22));
	begin_and_run(test, &s);
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_CS_CALL_STACK_OVERFLOW);
}

/* A queue that dies leaves the others alone, and says nothing of its job. */
static void an_unknown_instruction_is_fatal(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream bad = stream(c), good = stream(c);

	emit(&bad, MALI_CSF_OP(0xee));
	store64(&good, VA_DATA, 1);
	begin_and_run(test, &bad);
	c->expected_unsupported++;
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_CS_INSTR_INVALID);
	KUNIT_EXPECT_EQ(test, irqs(c, 0), BIT(0));
	see_events(c, 0);
	run(test, 0, 0, &good);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	run(test, 0, 1, &good);
	EXPECT_DONE(test, 0, 1);
}

static void an_access_without_translation_stalls(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);

	store64(&s, VA_UNMAPPED, 1);
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, rd(c, MMU_INT + GPU_MODEL_IRQ_RAWSTAT), BIT(AS));
	KUNIT_EXPECT_EQ(test, rd(c, MMU_AS(AS, AS_FAULTADDRESS_LO)), lower_32_bits(VA_UNMAPPED));
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), 0);

	/* The driver disables the address space, and ends the group. */
	wr(c, MMU_AS(AS, AS_TRANSCFG_LO), AS_TRANSCFG_MODE_UNMAPPED);
	wr(c, MMU_AS(AS, AS_COMMAND), AS_COMMAND_UPDATE);
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_CS_BUS_FAULT);
	request(c, 0, CSG_STATE_TERMINATE);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CSG_OUTPUT(0) + CSG_ACK) & CSG_STATE, CSG_STATE_TERMINATE);
}

/* Which a group of another slot writes to; also while the waiting one has no slot. */
static void a_queue_waits_for_a_sync_object(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream waits = stream(c), writes = stream(c);

	move64(&waits, R_ADDR, VA_DATA + 64);
	move64(&waits, 10, 7);
	emit(&waits, MALI_CSF_OP(MALI_CSF_SYNC_WAIT64) | MALI_CSF_B(R_ADDR) | MALI_CSF_C(10) | (u64)MALI_CSF_COND_GT << 28);
	*at(c, VA_DATA + 64) = 7;
	begin(c, 0, CSG_STATE_START);
	begin(c, 1, CSG_STATE_START);
	run(test, 0, 0, &waits);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);

	status_update(c, 0);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CSG_OUTPUT(0) + CSG_STATUS_STATE), CSG_STATUS_STATE_IS_IDLE);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_STATUS_BLOCKED_REASON), CS_STATUS_BLOCKED_REASON_SYNC_WAIT);
	KUNIT_EXPECT_EQ(test, *fw64(c, CSF_CS_OUTPUT(0, 0) + CS_STATUS_WAIT_SYNC_PTR), VA_DATA + 64);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_STATUS_WAIT_SYNC_VALUE), 7);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_STATUS_WAIT),
			CS_STATUS_WAIT_SYNC | CS_STATUS_WAIT_SYNC_64B | 1 << 24);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 1) + CS_STATUS_BLOCKED_REASON), CS_STATUS_BLOCKED_REASON_UNBLOCKED);

	move64(&writes, R_ADDR, VA_DATA + 64);
	move64(&writes, 10, 1);
	emit(&writes, MALI_CSF_OP(MALI_CSF_SYNC_ADD64) | MALI_CSF_B(R_ADDR) | MALI_CSF_C(10));
	run(test, 1, 0, &writes);
	EXPECT_DONE(test, 1, 0);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA + 64), 8);
}

/* After a CS_FAULT the queue waits until the kernel has seen it; the error goes to the job's sync object and no further. */
static void a_fault_ends_with_its_job(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream bad = stream(c), good = stream(c);
	u64 *status = at(c, VA_PAGE(PAGE_SYNC) + 8);

	emit(&bad, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_C(CSF_EXCEPTION_CS_ENDPOINT_FAULT) | MALI_CSF_PRIVATE_FLAG |
		MALI_CSF_PRIVATE_RAISE);
	store64(&bad, VA_DATA, 1);
	store64(&good, VA_DATA, 2);
	begin_and_run(test, &bad);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_FAULT);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CS_OUTPUT(0, 0) + CS_FAULT_INFO_TYPE), CSF_EXCEPTION_CS_ENDPOINT_FAULT);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	see_events(c, 0);
	settle(test);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), 1);
	KUNIT_EXPECT_EQ(test, *status, CSF_EXCEPTION_CS_ENDPOINT_FAULT);
	*status = 0;
	run(test, 0, 0, &good);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, *status, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_job_runs_and_says_so),
	KUNIT_CASE(the_ring_wraps),
	KUNIT_CASE(a_line_is_fetched_once),
	KUNIT_CASE(arithmetic_and_memory),
	KUNIT_CASE(a_loop_ends_when_it_should),
	KUNIT_CASE(streams_call_and_jump),
	KUNIT_CASE(calls_are_limited),
	KUNIT_CASE(an_unknown_instruction_is_fatal),
	KUNIT_CASE(an_access_without_translation_stalls),
	KUNIT_CASE(a_queue_waits_for_a_sync_object),
	KUNIT_CASE(a_fault_ends_with_its_job),
	{}
};

struct kunit_suite mali_csf_stream_suite = {
	.name = "mali_csf_stream",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
