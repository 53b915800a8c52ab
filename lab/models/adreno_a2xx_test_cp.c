// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the Adreno a200 model: the CP with its ring and streams, interrupts, resets.
 */
#include "adreno_a2xx_test.h"

static u32 fence(const struct ctx *c)
{
	return c->pages[PAGE_OTHER][0xffc / 4];
}

static void a_job(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 streams = counter(c, A2XX_STREAMS), writes = counter(c, A2XX_WRITES);

	stream(c, PAGE_IB1, PKT3(CP_NOP, 2), 1, 2, PKT3(CP_MEM_WRITE, 4), VA_PAGE(PAGE_DATA) + 8, 10, 11, 12,
	       PKT0(REG_AXXX_CP_SCRATCH_REG7, 1), 99);
	run_ib1(test, 10);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], POISON);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][2], 10);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][4], 12);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][5], POISON);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_SCRATCH_REG7), 99);
	KUNIT_EXPECT_EQ(test, fence(c), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 1);
	KUNIT_EXPECT_EQ(test, c->master, A2XX_MASTER_INT_CP);
	KUNIT_EXPECT_EQ(test, c->cp_status, A2XX_CP_INT_RB);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_RB_RPTR), c->wptr);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_RBBM_STATUS), 0);
	KUNIT_EXPECT_EQ(test, counter(c, A2XX_STREAMS) - streams, 1);
	KUNIT_EXPECT_EQ(test, counter(c, A2XX_WRITES) - writes, 3);
}

/* Packets that lie across the end of the ring, and one whose end is written later. */
static void the_ring_is_round(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	for (i = 0; i < RING_WORDS / 2; i++) {
		ring(c, PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_DATA) + 4 * i, i);
		doorbell(test);
		KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_RB_RPTR), c->wptr);
	}
	for (i = 0; i < RING_WORDS / 2; i++)
		KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][i], i);

	ring(c, PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_DATA));
	doorbell(test);
	KUNIT_EXPECT_NE(test, rdx(c, REG_AXXX_CP_RB_RPTR), c->wptr);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_RBBM_STATUS), A2XX_RBBM_STATUS_GUI_ACTIVE);
	ring(c, 1000);
	doorbell(test);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1000);
}

static void nothing_while_halted(struct kunit *test)
{
	struct ctx *c = test->priv;

	wrx(c, REG_AXXX_CP_ME_CNTL, AXXX_CP_ME_CNTL_HALT);
	ring(c, PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_DATA), 1);
	doorbell(test);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	wrx(c, REG_AXXX_CP_ME_CNTL, 0);
	KUNIT_EXPECT_EQ_MSG(test, c->pages[PAGE_DATA][0], 1, "at once: msm waits for it from a real-time thread");
}

static void streams_in_streams(struct kunit *test)
{
	struct ctx *c = test->priv;

	stream(c, PAGE_IB1, PKT3(CP_INDIRECT_BUFFER_PFD, 2), VA_PAGE(PAGE_IB2), 3,
	       PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_DATA) + 4, 2);
	stream(c, PAGE_IB2, PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_DATA), 1,
	       PKT3(CP_INDIRECT_BUFFER_PFD, 2), VA_PAGE(PAGE_IB2), 1);
	run_ib1(test, 6);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 2);
	KUNIT_EXPECT_EQ(test, fence(c), 7);

	stream(c, PAGE_IB1, PKT3(CP_INDIRECT_BUFFER_PFD, 2), VA_PAGE(PAGE_IB2), 6);
	run_ib1(test, 3);
	KUNIT_EXPECT_EQ_MSG(test, c->cp_status, A2XX_CP_INT_IB_ERROR, "three deep");
}

static void what_is_wrong(struct kunit *test)
{
	static const struct {
		u32 word, event;
	} cases[] = {
		{ PKT3(0x22, 1), A2XX_CP_INT_OPCODE_ERROR },	/* DRAW_INDX */
		{ PKT3(CP_MEM_WRITE, 1), A2XX_CP_INT_OPCODE_ERROR },
		{ 1u << 30, A2XX_CP_INT_OPCODE_ERROR },		/* type 1 */
		{ PKT0(REG_A2XX_MH_MMU_PT_BASE, 1), A2XX_CP_INT_PROTECTED_ERROR },
		{ PKT3(CP_NOP, 2), A2XX_CP_INT_IB_ERROR },	/* ends behind its stream */
	};
	struct ctx *c = test->priv;
	u32 table = rdx(c, REG_A2XX_MH_MMU_PT_BASE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 stops = counter(c, A2XX_CP_STOPS);

		stream(c, PAGE_IB1, cases[i].word, 0);
		run_ib1(test, 2);
		KUNIT_EXPECT_EQ_MSG(test, c->cp_status, cases[i].event, "case %u", i);
		KUNIT_EXPECT_EQ_MSG(test, fence(c), POISON, "case %u", i);
		KUNIT_EXPECT_EQ_MSG(test, counter(c, A2XX_CP_STOPS) - stops, 1, "case %u", i);
		reset(c);
	}
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_MH_MMU_PT_BASE), table);
	/* The same packet is right in the ring. */
	ring(c, PKT0(REG_A2XX_MH_MMU_TRAN_ERROR, 1), 0x1234);
	doorbell(test);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_MH_MMU_TRAN_ERROR), 0x1234);
}

static void a_hang_and_its_end(struct kunit *test)
{
	struct ctx *c = test->priv;

	stream(c, PAGE_IB1, PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_DATA), 1);
	gpu_model_fault_plant(c->gm, A2XX_FAULT_NEVER_FINISH, 1, 1, 0);
	run_ib1(test, 3);
	run_ib1(test, 3);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], POISON);
	KUNIT_EXPECT_EQ(test, fence(c), POISON);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 0);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_RBBM_STATUS), A2XX_RBBM_STATUS_GUI_ACTIVE);

	gpu_model_fault_plant(c->gm, A2XX_FAULT_STUCK_RESET, 1, 1, 0);
	reset(c);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_RB_RPTR), 0);
	run_ib1(test, 3);
	KUNIT_EXPECT_EQ(test, fence(c), POISON);

	reset(c);
	run_ib1(test, 3);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_EQ(test, fence(c), 7);
}

static void planted_faults(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;
	u64 streams;

	stream(c, PAGE_IB1, PKT3(CP_MEM_WRITE, 3), VA_PAGE(PAGE_DATA), 1, 2);
	gpu_model_fault_plant(c->gm, A2XX_FAULT_CORRUPT_WRITE, 2, 1, 4);
	gpu_model_fault_plant(c->gm, A2XX_FAULT_LOSE_FENCE, 1, 1, 0);
	run_ib1(test, 4);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][0], 1);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_DATA][1], 6);
	KUNIT_EXPECT_EQ(test, fence(c), POISON);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 1);

	/* What a lost interrupt left behind comes with the next. */
	gpu_model_fault_plant(c->gm, A2XX_FAULT_LOSE_INTERRUPT, 1, 1, 0);
	run_ib1(test, 4);
	KUNIT_EXPECT_EQ(test, fence(c), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 1);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_INT_STATUS), A2XX_CP_INT_RB);
	run_ib1(test, 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 2);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_INT_STATUS), 0);

	/* An hour, ended by switching the fault off. */
	streams = counter(c, A2XX_STREAMS);
	gpu_model_fault_plant(c->gm, A2XX_FAULT_DELAY_JOB, 1, -1, 3600ull * USEC_PER_SEC);
	ring(c, PKT3(CP_INDIRECT_BUFFER_PFD, 2), VA_PAGE(PAGE_IB1), 4, PKT3(CP_MEM_WRITE, 2), VA_PAGE(PAGE_OTHER), 5);
	wrx(c, REG_AXXX_CP_RB_WPTR, c->wptr);
	for (i = 0; i < 20000 && counter(c, A2XX_STREAMS) == streams; i++)
		usleep_range(100, 500);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], POISON);
	gpu_model_fault_plant(c->gm, A2XX_FAULT_DELAY_JOB, 0, 0, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, c->pages[PAGE_OTHER][0], 5);
}

static void masks(struct kunit *test)
{
	struct ctx *c = test->priv;

	wrx(c, REG_AXXX_CP_INT_CNTL, 0);
	ring(c, PKT3(CP_INTERRUPT, 1), 0x80000000);
	doorbell(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 0);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_A2XX_MASTER_INT_SIGNAL), 0);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_INT_STATUS), A2XX_CP_INT_RB);
	wrx(c, REG_AXXX_CP_INT_CNTL, A2XX_CP_INT_RB);
	settle(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->interrupts), 1);
}

static void read_only_registers(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 before = c->gm->unsupported;

	wrx(c, REG_AXXX_CP_RB_RPTR, 5);
	wrx(c, REG_AXXX_CP_INT_STATUS, 5);
	KUNIT_EXPECT_EQ(test, c->gm->unsupported - before, 2);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_RB_RPTR), 0);
	KUNIT_EXPECT_EQ(test, rdx(c, REG_AXXX_CP_INT_STATUS), 0);
	wrx(c, A2XX_CONTEXT_REGS + 3, 77);
	KUNIT_EXPECT_EQ(test, rdx(c, A2XX_CONTEXT_REGS + 3), 77);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_job),
	KUNIT_CASE(the_ring_is_round),
	KUNIT_CASE(nothing_while_halted),
	KUNIT_CASE(streams_in_streams),
	KUNIT_CASE(what_is_wrong),
	KUNIT_CASE(a_hang_and_its_end),
	KUNIT_CASE(planted_faults),
	KUNIT_CASE(masks),
	KUNIT_CASE(read_only_registers),
	{}
};

struct kunit_suite adreno_a2xx_cp_suite = {
	.name = "adreno_a2xx_cp",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
