// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the CSF model's groups and queues: the tiler heap.
 */
#include "mali_csf_queue_test.h"

#define SEED	0x1234567800000000ull

static u64 copied(struct ctx *c, unsigned int i)
{
	return *at(c, VA_PAGE(PAGE_COPIES) + 8 * i);
}

/* A pass that takes CHUNKS chunks' worth, and copies the first and the last block and one behind it. */
static struct stream pass(struct ctx *c, unsigned int chunks)
{
	struct stream s = stream(c);

	emit_pass_begin(&s, SEED);
	emit_consume(&s, chunks * CHUNK_BYTES);
	emit_copy(&s, 0, 0);
	emit_copy(&s, chunks * CHUNK_BYTES - PAGE_SIZE, 1);
	emit_copy(&s, chunks * CHUNK_BYTES, 2);
	emit_pass_end(&s);
	return s;
}

static void expect_pass(struct kunit *test, unsigned int chunks)
{
	struct ctx *c = test->priv;

	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, copied(c, 0), SEED);
	KUNIT_EXPECT_EQ(test, copied(c, 1), SEED + chunks * CHUNK_BYTES - PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, copied(c, 2), MALI_CSF_HEAP_NOTHING);
	KUNIT_EXPECT_EQ(test, heap_status(c)->consumed, chunks * CHUNK_BYTES);
	KUNIT_EXPECT_EQ(test, heap_status(c)->wrong, 0);
	KUNIT_EXPECT_EQ(test, heap_status(c)->incremental, 0);
}

/* The chunks that a heap begins with are taken one after the other, and come back for the next pass. */
static void initial_chunks_serve(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = pass(c, 3);
	u64 raised = counter(c, CSF_OOM_RAISED);

	heap_init(c, 4);
	begin_and_run(test, &s);
	expect_pass(test, 3);
	memset64(at(c, VA_PAGE(PAGE_COPIES)), POISON, PAGE_SIZE / 8);
	run(test, 0, 0, &s);
	expect_pass(test, 3);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_OOM_RAISED) - raised, 0);
}

static void the_kernel_is_asked_for_a_chunk(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 out = CSF_CS_OUTPUT(0, 0), raised = counter(c, CSF_OOM_RAISED);
	struct stream s = pass(c, 2);

	heap_init(c, 1);
	begin_and_run(test, &s);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_TILER_OOM);
	KUNIT_EXPECT_EQ(test, irqs(c, 0), BIT(0));
	KUNIT_EXPECT_EQ(test, *fw64(c, out + CS_HEAP_ADDRESS), VA_PAGE(PAGE_HEAP));
	KUNIT_EXPECT_EQ(test, *fw(c, out + CS_HEAP_VT_START), 1);
	KUNIT_EXPECT_EQ(test, *fw(c, out + CS_HEAP_VT_END), 0);
	KUNIT_EXPECT_EQ(test, *fw(c, out + CS_HEAP_FRAG_END), 0);
	KUNIT_EXPECT_TRUE_MSG(test, gpu_model_fault_pending(), "traps wait for this");
	status_update(c, 0);
	KUNIT_EXPECT_EQ(test, *fw(c, CSF_CSG_OUTPUT(0) + CSG_STATUS_STATE), 0);

	/* The driver rings when it has seen the event; that is no answer. */
	see_events(c, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), CS_TILER_OOM);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);

	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	expect_pass(test, 2);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_OOM_RAISED) - raised, 1);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
}

static void without_a_chunk_the_queue_dies(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = pass(c, 2);
	u64 nulls = counter(c, CSF_CHUNKS_NULL);

	heap_init(c, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	answer(c, 0, 0, 0);
	settle(test);
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_OOM);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_CHUNKS_NULL) - nulls, 1);
}

/* A pass of five chunks in two: the handler renders what there is, and its chunks are used again. */
static void the_handler_renders_in_passes(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream h = handler(c), s = stream(c);
	unsigned int asked;

	emit_handler(&s, &h);
	emit_pass_begin(&s, SEED);
	emit_consume(&s, 5 * CHUNK_BYTES);
	emit_copy(&s, 0, 0);
	emit_copy(&s, 5 * CHUNK_BYTES - PAGE_SIZE, 1);
	emit_pass_end(&s);
	heap_init(c, 2);
	begin_and_run(test, &s);
	for (asked = 0; queue_events(c, 0, 0) & CS_TILER_OOM; asked++) {
		KUNIT_ASSERT_LT(test, asked, 5);
		see_events(c, 0);
		answer(c, 0, 0, 0);
		settle(test);
	}
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, asked, 2);
	KUNIT_EXPECT_EQ(test, copied(c, 0), MALI_CSF_HEAP_RENDERED);
	KUNIT_EXPECT_EQ(test, copied(c, 1), SEED + 5 * CHUNK_BYTES - PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, heap_status(c)->incremental, 2);
	KUNIT_EXPECT_EQ(test, heap_status(c)->rendered, 5 * CHUNK_BYTES);
	KUNIT_EXPECT_EQ(test, heap_status(c)->chunks_null, 2);
	KUNIT_EXPECT_EQ(test, heap_status(c)->wrong, 0);
}

/* A handler that frees nothing does not help, and is not asked for ever. */
static void a_handler_that_frees_nothing(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream h = stream(c), s = stream(c);

	store64(&h, VA_DATA, 1);
	emit_handler(&s, &h);
	emit_pass_begin(&s, SEED);
	emit_consume(&s, 2 * CHUNK_BYTES);
	heap_init(c, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	answer(c, 0, 0, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, *at(c, VA_DATA), 1);
	EXPECT_FATAL(test, 0, 0, CSF_EXCEPTION_OOM);
}

/* With a pass that is tiled and not yet rendered, an answer without a chunk means to wait for its chunks. */
static void fragment_jobs_are_waited_for(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream first = stream(c), second = stream(c), render = stream(c);
	u64 raised;

	emit_pass_begin(&first, SEED);
	emit_consume(&first, CHUNK_BYTES + PAGE_SIZE);
	emit(&first, MALI_CSF_OP(MALI_CSF_HEAP_OPERATION) | MALI_CSF_C(MALI_CSF_HEAP_VT_END));
	emit_pass_begin(&second, SEED);
	move64(&second, MALI_CSF_SR_TILER, VA_PAGE(PAGE_TILER) + 0x200);	/* with full chunks of its own */
	emit_consume(&second, CHUNK_BYTES);
	move64(&render, R_ADDR, VA_PAGE(PAGE_HEAP));
	emit(&render, MALI_CSF_OP(MALI_CSF_HEAP_SET) | MALI_CSF_B(R_ADDR));
	move64(&render, MALI_CSF_SR_TILER, VA_PAGE(PAGE_TILER) + 0x100);
	emit_fragment(&render, true);

	heap_init(c, 2);
	*at(c, VA_PAGE(PAGE_TILER) + 0x200 + MALI_CSF_TILER_HEAP_DESC) = VA_PAGE(PAGE_TILER);
	begin_and_run(test, &first);
	EXPECT_DONE(test, 0, 0);
	run(test, 0, 0, &second);
	see_events(c, 0);
	raised = counter(c, CSF_OOM_RAISED);
	answer(c, 0, 0, 0);
	settle(test);
	KUNIT_EXPECT_EQ(test, done(c, 0, 0), 1);
	KUNIT_EXPECT_EQ(test, queue_events(c, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_OOM_RAISED) - raised, 0);

	run(test, 0, 1, &render);
	EXPECT_DONE(test, 0, 1);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_OOM_RAISED) - raised, 0);
}

/* What two passes both think to be theirs is not lost on the reader. */
static void a_chunk_given_twice_is_seen(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = pass(c, 3);
	u64 duplicates = counter(c, CSF_CHUNKS_DUPLICATE), wrong = counter(c, CSF_HEAP_BLOCKS_WRONG);

	heap_init(c, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	see_events(c, 0);
	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_CHUNKS_DUPLICATE) - duplicates, 1);
	KUNIT_EXPECT_NE(test, counter(c, CSF_HEAP_BLOCKS_WRONG) - wrong, 0);
}

static void lost_contents_are_seen(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream begins = stream(c), ends = stream(c);

	emit_pass_begin(&begins, SEED);
	emit_consume(&begins, CHUNK_BYTES);
	emit_copy(&ends, PAGE_SIZE, 0);
	emit_pass_end(&ends);
	heap_init(c, 1);
	begin_and_run(test, &begins);
	EXPECT_DONE(test, 0, 0);
	memset(at(c, VA_PAGE(PAGE_CHUNKS + 1)), 0, PAGE_SIZE);
	run(test, 0, 0, &ends);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, copied(c, 0), 0);
	KUNIT_EXPECT_EQ(test, heap_status(c)->wrong, 1);
}

/* A chunk that was not cleared, and one that nobody has asked for. */
static void bad_chunks_are_counted(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = pass(c, 2);
	u64 late = counter(c, CSF_CHUNKS_LATE), dirty = counter(c, CSF_CHUNKS_NOT_CLEARED);

	heap_init(c, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	at(c, VA_PAGE(PAGE_CHUNKS + CHUNK_PAGES))[3] = 1;
	answer(c, 0, 0, chunk_pointer(1));
	settle(test);
	expect_pass(test, 2);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_CHUNKS_NOT_CLEARED) - dirty, 1);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_CHUNKS_LATE) - late, 0);

	answer(c, 0, 0, chunk_pointer(2));
	answer(c, 0, 0, chunk_pointer(2));
	KUNIT_EXPECT_EQ(test, counter(c, CSF_CHUNKS_LATE) - late, 1);
}

/* The event goes with its group, and is raised again where the group comes back. */
static void suspended_without_a_chunk(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 again = counter(c, CSF_OOM_RERAISED);
	struct stream s = pass(c, 2);

	heap_init(c, 1);
	begin_and_run(test, &s);
	see_events(c, 0);
	request(c, 0, CSG_STATE_SUSPEND);
	KUNIT_EXPECT_FALSE(test, gpu_model_fault_pending());
	*fw(c, CSF_CS_INPUT(0, 0) + CS_REQ) &= ~CS_STATE;

	begin_in_slot(c, 0, 2, CSG_STATE_RESUME);
	settle(test);
	KUNIT_EXPECT_EQ(test, queue_events(c, 2, 0), CS_TILER_OOM);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_OOM_RERAISED) - again, 1);
	answer(c, 2, 0, chunk_pointer(1));
	settle(test);
	expect_pass(test, 2);
}

/* RUN_IDVS takes what its draw needs. */
static void idvs_demands(struct kunit *test)
{
	struct ctx *c = test->priv;
	struct stream s = stream(c);
	u64 tiler = VA_PAGE(PAGE_TILER) + 0x100;

	emit_pass_begin(&s, SEED);
	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(MALI_CSF_SR_INDEX_COUNT) | 100);
	emit(&s, MALI_CSF_OP(MALI_CSF_MOVE32) | MALI_CSF_A(MALI_CSF_SR_INSTANCES) | 2);
	emit(&s, MALI_CSF_OP(MALI_CSF_RUN_IDVS));
	emit_copy(&s, PAGE_SIZE, 0);
	emit_pass_end(&s);
	heap_init(c, 2);
	begin_and_run(test, &s);
	EXPECT_DONE(test, 0, 0);
	KUNIT_EXPECT_EQ(test, heap_status(c)->consumed, round_up(200 * MALI_CSF_IDVS_BYTES, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, copied(c, 0), tiler + PAGE_SIZE);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(initial_chunks_serve),
	KUNIT_CASE(the_kernel_is_asked_for_a_chunk),
	KUNIT_CASE(without_a_chunk_the_queue_dies),
	KUNIT_CASE(the_handler_renders_in_passes),
	KUNIT_CASE(a_handler_that_frees_nothing),
	KUNIT_CASE(fragment_jobs_are_waited_for),
	KUNIT_CASE(a_chunk_given_twice_is_seen),
	KUNIT_CASE(lost_contents_are_seen),
	KUNIT_CASE(bad_chunks_are_counted),
	KUNIT_CASE(suspended_without_a_chunk),
	KUNIT_CASE(idvs_demands),
	{}
};

struct kunit_suite mali_csf_heap_suite = {
	.name = "mali_csf_heap",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
