// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the CSF model's groups and queues: what the tests have in common.
 */
#include <linux/bitfield.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "mali_csf_queue_test.h"

u32 *fw(struct ctx *c, u64 va)
{
	return c->mcu + (va - CSF_SHARED_VA);
}

u64 *fw64(struct ctx *c, u64 va)
{
	return c->mcu + (va - CSF_SHARED_VA);
}

u64 *at(struct ctx *c, u64 va)
{
	return c->group + (va - VA_BASE);
}

u64 fired(struct ctx *c, enum csf_fault fault)
{
	return READ_ONCE(c->gm->faults[fault].fired);
}

static void set_page(struct ctx *c, unsigned int as, u64 va, void *page)
{
	c->tables[as][3][(va >> 12) & 511] = page ? virt_to_phys(page) | CSF_PTE_TYPE_PAGE | CSF_PTE_ACCESSED : 0;
}

/* A page of the groups' address space, with the flush that a driver does. */
void map(struct ctx *c, unsigned int page, bool mapped)
{
	set_page(c, AS, VA_PAGE(page), mapped ? c->group + page * PAGE_SIZE : NULL);
	wr64(c, MMU_AS(AS, AS_LOCKADDR_LO), 63);
	wr(c, MMU_AS(AS, AS_COMMAND), AS_COMMAND_LOCK);
	wr(c, MMU_AS(AS, AS_COMMAND), AS_COMMAND_FLUSH_PT);
}

static void enable_as(struct ctx *c, unsigned int as, u64 va)
{
	unsigned int level;

	for (level = 0; level < 3; level++)
		c->tables[as][level][(va >> (39 - 9 * level)) & 511] =
			virt_to_phys(c->tables[as][level + 1]) | CSF_PTE_TYPE_TABLE;
	wr64(c, MMU_AS(as, AS_TRANSTAB_LO), virt_to_phys(c->tables[as][0]));
	wr64(c, MMU_AS(as, AS_TRANSCFG_LO), FIELD_PREP(AS_TRANSCFG_INA_BITS, 7) | AS_TRANSCFG_MODE_AARCH64_4K);
	wr(c, MMU_AS(as, AS_COMMAND), AS_COMMAND_UPDATE);
}

/* The kernel's side of the interface, after panthor_fw.h and panthor_sched.c */
void ring_group(struct ctx *c, u32 g)
{
	*fw(c, CSF_GLB_INPUT + GLB_DOORBELL_REQ) ^= BIT(g);
	wr(c, CSF_DOORBELL(CSF_GLB_DOORBELL_ID), 1);
}

void ring_queue(struct ctx *c, u32 g, u32 q)
{
	u32 ack = *fw(c, CSF_CSG_OUTPUT(g) + CSG_DOORBELL_ACK);

	*fw(c, CSF_CSG_INPUT(g) + CSG_DOORBELL_REQ) = ack ^ BIT(q);
	ring_group(c, g);
}

void request(struct ctx *c, u32 g, u32 state)
{
	u32 *req = fw(c, CSF_CSG_INPUT(g) + CSG_REQ);

	*req = (*req & ~CSG_STATE) | state;
	ring_group(c, g);
}

/* Group G, with two queues, gets a slot. */
void begin_in_slot(struct ctx *c, u32 g, u32 slot, u32 state)
{
	u32 q;

	for (q = 0; q < 2; q++) {
		u64 in = CSF_CS_INPUT(slot, q), iface = CSF_SHARED_VA + MCU_IFACE(g, q) * PAGE_SIZE;

		*fw64(c, iface + CS_RING_EXTRACT_INIT) = *fw64(c, iface + PAGE_SIZE + CS_RING_EXTRACT);
		*fw64(c, in + CS_RINGBUF_BASE) = VA_PAGE(PAGE_RING(g, q));
		*fw(c, in + CS_RINGBUF_SIZE) = PAGE_SIZE;
		*fw64(c, in + CS_RINGBUF_INPUT) = iface;
		*fw64(c, in + CS_RINGBUF_OUTPUT) = iface + PAGE_SIZE;
		*fw(c, in + CS_REQ) = (*fw(c, in + CS_REQ) & ~CS_STATE) | CS_STATE_START | CS_EXTRACT_EVENT;
	}
	*fw64(c, CSF_CSG_INPUT(slot) + CSG_SUSPEND_BUF) = CSF_SHARED_VA + MCU_SUSPEND(g) * PAGE_SIZE;
	*fw(c, CSF_CSG_INPUT(slot) + CSG_CONFIG) = AS;
	*fw(c, CSF_CSG_INPUT(slot) + CSG_DOORBELL_REQ) = *fw(c, CSF_CSG_OUTPUT(slot) + CSG_DOORBELL_ACK) ^ 3;
	request(c, slot, state);
}

void begin(struct ctx *c, u32 g, u32 state)
{
	begin_in_slot(c, g, g, state);
}

void status_update(struct ctx *c, u32 g)
{
	u32 *req = fw(c, CSF_CSG_INPUT(g) + CSG_REQ);

	*req = (*req & ~CSG_STATUS_UPDATE) | (~*fw(c, CSF_CSG_OUTPUT(g) + CSG_ACK) & CSG_STATUS_UPDATE);
	ring_group(c, g);
}

u32 group_events(struct ctx *c, u32 g)
{
	return (*fw(c, CSF_CSG_INPUT(g) + CSG_REQ) ^ *fw(c, CSF_CSG_OUTPUT(g) + CSG_ACK)) &
	       (CSG_SYNC_UPDATE | CSG_IDLE | CSG_PROGRESS_TIMER_EVENT);
}

u32 queue_events(struct ctx *c, u32 g, u32 q)
{
	return (*fw(c, CSF_CS_INPUT(g, q) + CS_REQ) ^ *fw(c, CSF_CS_OUTPUT(g, q) + CS_ACK)) &
	       (CS_TILER_OOM | CS_FATAL | CS_FAULT);
}

u32 irqs(struct ctx *c, u32 g)
{
	return *fw(c, CSF_CSG_OUTPUT(g) + CSG_CS_IRQ_REQ) ^ *fw(c, CSF_CSG_INPUT(g) + CSG_CS_IRQ_ACK);
}

/* As sched_process_csg_irq_locked() does: all events are acknowledged, except TILER_OOM, and the doorbells rung. */
void see_events(struct ctx *c, u32 g)
{
	u32 *req = fw(c, CSF_CSG_INPUT(g) + CSG_REQ), q;

	*fw(c, CSF_CSG_INPUT(g) + CSG_CS_IRQ_ACK) = *fw(c, CSF_CSG_OUTPUT(g) + CSG_CS_IRQ_REQ);
	*req ^= group_events(c, g);
	for (q = 0; q < 2; q++)
		*fw(c, CSF_CS_INPUT(g, q) + CS_REQ) ^= queue_events(c, g, q) & ~CS_TILER_OOM;
	*fw(c, CSF_CSG_INPUT(g) + CSG_DOORBELL_REQ) = *fw(c, CSF_CSG_OUTPUT(g) + CSG_DOORBELL_ACK) ^ 3;
	ring_group(c, g);
}

/* As group_process_tiler_oom() does. */
void answer(struct ctx *c, u32 g, u32 q, u64 chunk)
{
	u32 *req = fw(c, CSF_CS_INPUT(g, q) + CS_REQ);

	*fw64(c, CSF_CS_INPUT(g, q) + CS_HEAP_START) = chunk;
	*fw64(c, CSF_CS_INPUT(g, q) + CS_HEAP_END) = chunk;
	*req = (*req & ~CS_TILER_OOM) | (*fw(c, CSF_CS_OUTPUT(g, q) + CS_ACK) & CS_TILER_OOM);
	ring_queue(c, g, q);
}

struct stream stream(struct ctx *c)
{
	struct stream s = { .c = c, .va = VA_PAGE(PAGE_STREAMS) + c->used++ * STREAM_SIZE };

	s.words = at(c, s.va);
	return s;
}

void emit(struct stream *s, u64 instr)
{
	if (!WARN_ON(s->n >= STREAM_SIZE / 8))
		s->words[s->n++] = instr;
}

void move64(struct stream *s, u32 reg, u64 val)
{
	emit(s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(reg) | lower_32_bits(val));
	emit(s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(reg + 1) | upper_32_bits(val));
}

void store64(struct stream *s, u64 va, u64 val)
{
	move64(s, R_ADDR, va);
	move64(s, R_VAL, val);
	emit(s, MALI_CSF_OP(MALI_CSF_STORE_MULTIPLE) | MALI_CSF_A(R_VAL) | MALI_CSF_B(R_ADDR) | 3 << 16);
}

static u64 sync_va(u32 g, u32 q)
{
	return VA_PAGE(PAGE_SYNC) + 16 * (2 * g + q);
}

/* The kernel's own instructions around a stream, as prepare_job_instrs() has them. */
void submit(struct ctx *c, u32 g, u32 q, const struct stream *s)
{
	u64 *insert = fw64(c, CSF_SHARED_VA + MCU_IFACE(g, q) * PAGE_SIZE + CS_RING_INSERT);
	u64 *job = at(c, VA_PAGE(PAGE_RING(g, q)) + (*insert & (PAGE_SIZE - 1)));

	memset(job, 0, 128);
	job[0] = MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(94);
	job[1] = MALI_CSF_OP(MALI_CSF_FLUSH_CACHE2) | MALI_CSF_B(94) | 0x233;
	job[2] = MALI_CSF_OP(MALI_CSF_MOVE48) | MALI_CSF_A(92) | s->va;
	job[3] = MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(94) | s->n * 8;
	job[4] = MALI_CSF_OP(MALI_CSF_WAIT) | 1 << 16;
	job[5] = MALI_CSF_OP(MALI_CSF_CALL) | MALI_CSF_B(92) | MALI_CSF_C(94);
	job[6] = MALI_CSF_OP(MALI_CSF_MOVE48) | MALI_CSF_A(92) | sync_va(g, q);
	job[7] = MALI_CSF_OP(MALI_CSF_MOVE48) | MALI_CSF_A(94) | 1;
	job[8] = MALI_CSF_OP(MALI_CSF_WAIT) | 0xff << 16;
	job[9] = MALI_CSF_OP(MALI_CSF_SYNC_ADD64) | MALI_CSF_B(92) | MALI_CSF_C(94) | 1;
	job[10] = MALI_CSF_OP(MALI_CSF_ERROR_BARRIER);
	*insert += 128;
	c->jobs[g][q]++;
	wr(c, CSF_DOORBELL(g + 1), 1);
}

void run(struct kunit *test, u32 g, u32 q, const struct stream *s)
{
	submit(test->priv, g, q, s);
	settle(test);
}

void begin_and_run(struct kunit *test, const struct stream *s)
{
	begin(test->priv, 0, CSG_STATE_START);
	run(test, 0, 0, s);
}

u64 done(struct ctx *c, u32 g, u32 q)
{
	return READ_ONCE(*at(c, sync_va(g, q)));
}

u64 chunk_pointer(unsigned int chunk)
{
	return VA_PAGE(PAGE_CHUNKS + CHUNK_PAGES * chunk) | CHUNK_PAGES;
}

/* As TILER_HEAP_CREATE leaves it, and user space's descriptor and tiler context: see mali_csf_instr.h */
void heap_init(struct ctx *c, unsigned int chunks)
{
	u64 *desc = at(c, VA_PAGE(PAGE_TILER)), *tiler = desc + 0x100 / 8, first = chunk_pointer(chunks - 1) - CHUNK_PAGES;
	unsigned int i;

	for (i = 1; i < chunks; i++)
		*at(c, chunk_pointer(i) - CHUNK_PAGES) = chunk_pointer(i - 1);
	desc[0] = CHUNK_BYTES << 32;
	if (chunks) {
		desc[1] = first;
		desc[2] = first + MALI_CSF_CHUNK_HEADER;
		desc[3] = first + CHUNK_BYTES;
	}
	tiler[MALI_CSF_TILER_HEAP_DESC / 8] = VA_PAGE(PAGE_TILER);
	memset64(at(c, VA_PAGE(PAGE_COPIES)), POISON, PAGE_SIZE / 8);
}

void emit_pass_begin(struct stream *s, u64 seed)
{
	move64(s, R_ADDR, VA_PAGE(PAGE_HEAP));
	emit(s, MALI_CSF_OP(MALI_CSF_HEAP_SET) | MALI_CSF_B(R_ADDR));
	emit(s, MALI_CSF_OP(MALI_CSF_HEAP_OPERATION) | MALI_CSF_C(MALI_CSF_HEAP_VT_START));
	move64(s, MALI_CSF_SR_TILER, VA_PAGE(PAGE_TILER) + 0x100);
	move64(s, 6, seed);
}

void emit_consume(struct stream *s, u32 bytes)
{
	emit(s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(8) | bytes);
	emit(s, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_A(6) | MALI_CSF_B(8) | MALI_CSF_PRIVATE_CONSUME);
}

void emit_copy(struct stream *s, u32 offset, unsigned int to)
{
	move64(s, R_ADDR, VA_PAGE(PAGE_COPIES) + 8 * to);
	emit(s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(8) | offset);
	emit(s, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_A(R_ADDR) | MALI_CSF_B(8) | MALI_CSF_PRIVATE_COPY);
}

/* Renders what was tiled and gives the full chunks back. */
void emit_fragment(struct stream *s, bool count)
{
	emit(s, MALI_CSF_OP(MALI_CSF_RUN_FRAGMENT));
	emit(s, MALI_CSF_OP(MALI_CSF_LOAD_MULTIPLE) | MALI_CSF_A(R_CHUNKS) | MALI_CSF_B(MALI_CSF_SR_TILER) | 0xf << 16 |
		MALI_CSF_TILER_COMPLETED_TOP);
	emit(s, MALI_CSF_OP(MALI_CSF_FINISH_FRAGMENT) | MALI_CSF_B(R_CHUNKS) | MALI_CSF_C(R_CHUNKS + 2) | count);
	emit(s, MALI_CSF_OP(MALI_CSF_STORE_MULTIPLE) | MALI_CSF_A(R_ZERO) | MALI_CSF_B(MALI_CSF_SR_TILER) | 0xf << 16 |
		MALI_CSF_TILER_COMPLETED_TOP);
}

/* The pass's status goes behind the copies. */
void emit_pass_end(struct stream *s)
{
	emit(s, MALI_CSF_OP(MALI_CSF_FINISH_TILING));
	emit(s, MALI_CSF_OP(MALI_CSF_HEAP_OPERATION) | MALI_CSF_C(MALI_CSF_HEAP_VT_END));
	emit_fragment(s, true);
	move64(s, R_ADDR, VA_PAGE(PAGE_COPIES) + 0x800);
	emit(s, MALI_CSF_OP(MALI_CSF_PRIVATE) | MALI_CSF_A(R_ADDR) | MALI_CSF_PRIVATE_STATUS);
}

struct stream handler(struct ctx *c)
{
	struct stream s = stream(c);

	emit_fragment(&s, false);
	return s;
}

void emit_handler(struct stream *s, const struct stream *handler)
{
	move64(s, R_ADDR, handler->va);
	emit(s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(8) | handler->n * 8);
	emit(s, MALI_CSF_OP(MALI_CSF_SET_EXCEPTION_HANDLER) | MALI_CSF_B(R_ADDR) | MALI_CSF_C(8) |
		MALI_CSF_EXCEPTION_TILER_OOM);
}

struct mali_csf_heap_status *heap_status(struct ctx *c)
{
	return (void *)at(c, VA_PAGE(PAGE_COPIES) + 0x800);
}

int ctx_init(struct kunit *test)
{
	struct gpu_model *gm = gpu_model_test_find(test, "mali-csf");
	struct ctx *c;
	unsigned int i;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	c->gm = gm;
	c->expected_unsupported = gm->unsupported;

	c->mcu = alloc_pages_exact(MCU_PAGES * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	c->group = alloc_pages_exact(GROUP_PAGES * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_TRUE(test, c->mcu && c->group);
	for (i = 0; i < 8; i++) {
		c->tables[i / 4][i % 4] = (u64 *)get_zeroed_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, c->tables[i / 4][i % 4]);
	}
	for (i = 0; i < MCU_PAGES; i++)
		set_page(c, CSF_MCU_AS, CSF_SHARED_VA + i * PAGE_SIZE, c->mcu + i * PAGE_SIZE);
	for (i = 0; i < GROUP_PAGES; i++)
		set_page(c, AS, VA_PAGE(i), c->group + i * PAGE_SIZE);
	memset64(at(c, VA_DATA), POISON, PAGE_SIZE / 8);

	wr(c, GPU_CMD, GPU_CMD_RESET | FIELD_PREP(GPU_CMD_PAYLOAD, GPU_CMD_RESET_SOFT));
	wr64(c, L2_PWRON_LO, 1);
	enable_as(c, CSF_MCU_AS, CSF_SHARED_VA);
	enable_as(c, AS, VA_BASE);
	wr(c, MCU_CONTROL, MCU_CONTROL_AUTO);
	KUNIT_ASSERT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_ENABLED);
	return 0;
}

void ctx_exit(struct kunit *test)
{
	struct ctx *c = test->priv;
	unsigned int i;

	if (!c)
		return;
	gpu_model_test_unplant(c->gm);
	wr(c, GPU_CMD, GPU_CMD_RESET | FIELD_PREP(GPU_CMD_PAYLOAD, GPU_CMD_RESET_SOFT));
	KUNIT_EXPECT_EQ_MSG(test, c->gm->unsupported, c->expected_unsupported, "the model complained, see the kernel log");
	for (i = 0; i < 8; i++)
		free_page((unsigned long)c->tables[i / 4][i % 4]);
	free_pages_exact(c->group, GROUP_PAGES * PAGE_SIZE);
	free_pages_exact(c->mcu, MCU_PAGES * PAGE_SIZE);
}

kunit_test_suites(&mali_csf_stream_suite, &mali_csf_group_suite, &mali_csf_heap_suite, &mali_csf_queue_fault_suite);

MODULE_DESCRIPTION("Tests of the CSF model's groups and queues");
MODULE_LICENSE("GPL");
