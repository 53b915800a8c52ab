/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Instructions of a CSF Mali's command streams as the model mali_csf executes them, and the layout of what they work on.
 * Plain C, for the model and for the programs that write streams for it (C++ too).
 *
 * An instruction is a little-endian 64-bit word, its opcode in bits 63:56. Registers are 32 bits wide, r0 to r95; a 64-bit
 * value lies in a pair, the low half in the even register. From r92 on they are the kernel's (panthor_sched.c,
 * prepare_job_instrs()). Encodings: Mesa, src/panfrost/genxml/v10.xml; the private ones are the model's own.
 */
#ifndef MALI_CSF_INSTR_H
#define MALI_CSF_INSTR_H

#define MALI_CSF_REGS			96
#define MALI_CSF_KERNEL_REG		92	/* r92 and up are overwritten around each user stream */
#define MALI_CSF_STREAM_ALIGN		64	/* of a user stream's address; its size is a multiple of 8 */

/* Opcodes */
#define MALI_CSF_NOP			0
#define MALI_CSF_MOVE48			1	/* dst pair 55:48, imm 47:0 */
#define MALI_CSF_MOVE32			2	/* dst 55:48, imm 31:0 */
#define MALI_CSF_WAIT			3	/* scoreboard mask 31:16 */
#define MALI_CSF_RUN_COMPUTE		4	/* [A] lasts r[MALI_CSF_SR_DURATION] us */
#define MALI_CSF_RUN_IDVS		6	/* demand below */
#define MALI_CSF_RUN_FRAGMENT		7	/* [A] lasts r[MALI_CSF_SR_DURATION] us, then reads all that the pass has tiled */
#define MALI_CSF_FINISH_TILING		9
#define MALI_CSF_FINISH_FRAGMENT	11	/* bit 0 counts a completed fragment job; first chunk pair 47:40, last 39:32 */
#define MALI_CSF_ADD_IMM32		16	/* dst 55:48, src 47:40, imm 31:0 (signed) */
#define MALI_CSF_ADD_IMM64		17	/* the same on pairs */
#define MALI_CSF_LOAD_MULTIPLE		20	/* base 55:48, address pair 47:40, mask 31:16, offset 15:0 (signed): base + i at 4 * i */
#define MALI_CSF_STORE_MULTIPLE		21
#define MALI_CSF_BRANCH			22	/* value 47:40, condition 30:28 (signed), instructions to skip 15:0 (signed) */
#define MALI_CSF_SET_SB_ENTRY		23
#define MALI_CSF_PROGRESS_WAIT		24	/* not done by the model: CS_INSTR_INVALID */
#define MALI_CSF_SET_EXCEPTION_HANDLER	25	/* type 7:0 (2 tiler out-of-memory), length register 39:32, address pair 47:40 */
#define MALI_CSF_CALL			32	/* address pair 47:40, length register 39:32 (bytes) */
#define MALI_CSF_JUMP			33
#define MALI_CSF_REQ_RESOURCE		34
#define MALI_CSF_FLUSH_CACHE2		36
#define MALI_CSF_SYNC_ADD32		37	/* scope 2:1 (0 system), bit 0 propagates errors; data 39:32, address pair 47:40 */
#define MALI_CSF_SYNC_SET32		38
#define MALI_CSF_SYNC_WAIT32		39	/* condition 31:28 (0 LE, 1 GT); data 39:32, address pair 47:40 */
#define MALI_CSF_STORE_STATE		40
#define MALI_CSF_ERROR_BARRIER		47
#define MALI_CSF_HEAP_SET		48	/* heap context's address pair 47:40 */
#define MALI_CSF_HEAP_OPERATION		49	/* 33:32 below */
#define MALI_CSF_SYNC_ADD64		51	/* as the 32-bit ones, data in a pair */
#define MALI_CSF_SYNC_SET64		52
#define MALI_CSF_SYNC_WAIT64		53
#define MALI_CSF_PRIVATE		0xf0	/* operation 7:0, below */

#define MALI_CSF_HEAP_VT_START		0	/* HEAP_OPERATION: a render pass begins; its offsets count from 0 */
#define MALI_CSF_HEAP_VT_END		1	/* its tiling is complete */
#define MALI_CSF_HEAP_FRAG_END		3

#define MALI_CSF_EXCEPTION_TILER_OOM	2	/* type of SET_EXCEPTION_HANDLER */

/* Conditions of BRANCH, against zero */
#define MALI_CSF_COND_LE		0
#define MALI_CSF_COND_GT		1
#define MALI_CSF_COND_EQ		2
#define MALI_CSF_COND_NE		3
#define MALI_CSF_COND_LT		4
#define MALI_CSF_COND_GE		5
#define MALI_CSF_COND_ALWAYS		6

/*
 * Operations of MALI_CSF_PRIVATE. Fields: A 55:48, B 47:40, C 39:32.
 * CONSUME, COPY and STATUS work on the render pass that HEAP_OPERATION VT_START began on this queue.
 *   CONSUME  takes r[B] bytes (rounded up to blocks) from the heap, like a RUN_IDVS of that demand; pair A is the seed of
 *            what is written, if nothing was taken since VT_START. The tiler context lies at pair MALI_CSF_SR_TILER.
 *   DELAY    takes r[B] us; they pass only while the group has a slot.
 *   TOUCH    reads the 64-bit word at pair A, or with bit 8 writes pair B there. Aligned to 8.
 *   RAISE    CS_FATAL, or with bit 8 CS_FAULT, of exception type C. A fatal ends the queue; after a fault it goes on.
 *   COPY     stores at pair A the word of the heap block at offset r[B] of the pass: seed + offset if all is well;
 *            MALI_CSF_HEAP_RENDERED if an incremental pass has drawn it and given its chunk back, MALI_CSF_HEAP_NOTHING if
 *            nothing was tiled there.
 *   STATUS   stores a struct mali_csf_heap_status at pair A.
 *   HANG     never ends.
 */
#define MALI_CSF_PRIVATE_CONSUME	1
#define MALI_CSF_PRIVATE_DELAY		2
#define MALI_CSF_PRIVATE_TOUCH		3
#define MALI_CSF_PRIVATE_RAISE		4
#define MALI_CSF_PRIVATE_COPY		5
#define MALI_CSF_PRIVATE_STATUS		6
#define MALI_CSF_PRIVATE_HANG		7
#define MALI_CSF_PRIVATE_FLAG		0x100ull	/* TOUCH writes; RAISE raises a fault */

#define MALI_CSF_HEAP_RENDERED		0xfffffffffffffffeull
#define MALI_CSF_HEAP_NOTHING		0xffffffffffffffffull

struct mali_csf_heap_status {
	unsigned long long consumed;	/* bytes since VT_START */
	unsigned long long rendered;	/* of these, by incremental passes */
	unsigned int incremental;	/* incremental passes since VT_START */
	unsigned int wrong;		/* blocks that a fragment pass found to hold something else; 0 if all is well */
	unsigned int chunks_null;	/* answers without a chunk since VT_START */
	unsigned int reserved;
};

/* Shader resources: registers with a meaning for RUN_* (Mesa names them after the hardware's staging registers) */
#define MALI_CSF_SR_INDEX_COUNT		33	/* RUN_IDVS: demand = index count * instances * MALI_CSF_IDVS_BYTES */
#define MALI_CSF_SR_INSTANCES		34
#define MALI_CSF_SR_TILER		40	/* pair: tiler context; its value is also the seed of a RUN_IDVS */
#define MALI_CSF_SR_DURATION		60	/* [A] how long RUN_COMPUTE and RUN_FRAGMENT last, in us; the model's own */
#define MALI_CSF_IDVS_BYTES		64	/* [A] that an index takes in the heap */

/*
 * The heap. Demand is met in blocks of 4 KiB, and one word is written at the start of each (after the header in a chunk's
 * first block), so a chunk serves as many bytes as it is large. The kernel's part: panthor_heap.c.
 */
#define MALI_CSF_HEAP_BLOCK		4096
#define MALI_CSF_CHUNK_HEADER		64	/* 64-bit next, then reserved */

/* Tiler heap descriptor (32 bytes): where the current chunk stands. After HEAP_CREATE: the first chunk, bottom behind its header. */
#define MALI_CSF_HEAP_DESC_SIZE		4	/* u32 chunk size, bytes */
#define MALI_CSF_HEAP_DESC_BASE		8	/* u64 */
#define MALI_CSF_HEAP_DESC_BOTTOM	16	/* u64 first free address */
#define MALI_CSF_HEAP_DESC_TOP		24	/* u64 end; base = bottom = top = 0: no chunk, the first demand asks for one */

/* Tiler context (192 bytes, zero but for the descriptor's address) */
#define MALI_CSF_TILER_HEAP_DESC	24	/* u64 address of the descriptor above */
#define MALI_CSF_TILER_COMPLETED_TOP	40	/* u64 first and ... */
#define MALI_CSF_TILER_COMPLETED_BOTTOM	48	/* u64 ... last of the full chunks, for FINISH_FRAGMENT; zeroed by who frees them */

/* Encoders */
#define MALI_CSF_OP(op)			((unsigned long long)(op) << 56)
#define MALI_CSF_A(reg)			((unsigned long long)(reg) << 48)
#define MALI_CSF_B(reg)			((unsigned long long)(reg) << 40)
#define MALI_CSF_C(reg)			((unsigned long long)(reg) << 32)

#endif
