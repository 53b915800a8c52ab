// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of an Adreno a200: the command processor. Knowledge: a2xx_gpu.c, adreno_gpu.c, adreno_pm4.xml.
 *
 * It takes packets from the ring between RPTR and WPTR, and from streams that INDIRECT_BUFFER packets name, two deep. Of
 * type 3 packets those are executed that msm itself writes, and MEM_WRITE, with which a job writes to memory without any
 * shader; what draws is not modelled and is an OPCODE_ERROR.
 *
 * [A] After an error, or when it cannot read its packets, the CP stops until it is reset.
 * [A] Streams may write to the registers of drawing (from 0x2000 on) and to the scratch registers. Others are protected,
 * whatever the driver's ME_INIT says of that.
 * [A] An INTERRUPT in a stream raises IB1 or IB2, one in the ring raises RB.
 */
#include <linux/bitfield.h>
#include <linux/ktime.h>

#include "adreno_a2xx.h"

/* Packets that are executed with the lock held. */
#define A2XX_AT_ONCE	32

enum a2xx_step { A2XX_DONE, A2XX_WAIT };

static u32 a2xx_cp_ring_mask(const struct a2xx *ax)
{
	return (2u << min(FIELD_GET(AXXX_CP_RB_CNTL_BUFSZ, ax->regs[REG_AXXX_CP_RB_CNTL]), 20u)) - 1;
}

static u32 a2xx_cp_in_ring(const struct a2xx *ax)
{
	return (ax->regs[REG_AXXX_CP_RB_WPTR] - ax->cp.rptr) & a2xx_cp_ring_mask(ax);
}

bool a2xx_cp_busy(const struct a2xx *ax)
{
	return ax->cp.depth || a2xx_cp_in_ring(ax);
}

static void a2xx_cp_stop(struct a2xx *ax, u32 event)
{
	ax->cp.stopped = true;
	ax->gm.counters[A2XX_CP_STOPS]++;
	if (event)
		a2xx_raise(ax, REG_AXXX_CP_INT_STATUS, event, false);
}

static struct a2xx_stream *a2xx_cp_stream(struct a2xx *ax)
{
	return ax->cp.depth ? &ax->cp.streams[ax->cp.depth - 1] : NULL;
}

/* The word N behind where the CP is; false when it cannot be read. */
static bool a2xx_cp_peek(struct a2xx *ax, u32 n, u32 *word)
{
	const struct a2xx_stream *stream = a2xx_cp_stream(ax);
	u32 va = stream ? stream->at + n * sizeof(u32) :
			  ax->regs[REG_AXXX_CP_RB_BASE] + ((ax->cp.rptr + n) & a2xx_cp_ring_mask(ax)) * sizeof(u32);
	const u32 *from = a2xx_mmu_access(ax, va, A2XX_READ);

	if (from)
		*word = READ_ONCE(*from);
	return from;
}

static void a2xx_cp_advance(struct a2xx *ax, u32 words)
{
	struct a2xx_stream *stream = a2xx_cp_stream(ax);

	if (stream) {
		stream->at += words * sizeof(u32);
		stream->left -= words;
	} else {
		ax->cp.rptr = (ax->cp.rptr + words) & a2xx_cp_ring_mask(ax);
	}
}

static void a2xx_cp_begin(struct a2xx *ax, u32 at, u32 words)
{
	struct a2xx_cp *cp = &ax->cp;
	u64 value;

	if (cp->depth == ARRAY_SIZE(cp->streams)) {
		a2xx_cp_stop(ax, A2XX_CP_INT_IB_ERROR);
		return;
	}
	cp->streams[cp->depth++] = (struct a2xx_stream){ at, words };
	if (cp->depth > 1)
		return;
	ax->gm.counters[A2XX_STREAMS]++;
	if (gpu_model_fault_hit(&ax->gm, A2XX_FAULT_NEVER_FINISH, &value))
		a2xx_cp_stop(ax, 0);
	if (gpu_model_fault_hit(&ax->gm, A2XX_FAULT_DELAY_JOB, &value))
		cp->not_before = ktime_add_us(ktime_get(), value);
}

static void a2xx_cp_mem_write(struct a2xx *ax, const u32 *payload, u32 words)
{
	u32 i, *to;
	u64 mask;

	for (i = 1; i < words; i++) {
		u32 va = payload[0] + (i - 1) * sizeof(u32);

		if (gpu_model_fault_hit(&ax->gm, A2XX_FAULT_PAGE_FAULT, &mask)) {
			a2xx_mmu_fault(ax, va, A2XX_WRITE, 0);
			continue;
		}
		to = a2xx_mmu_access(ax, va, A2XX_WRITE);
		if (!to)
			continue;
		mask = 0;
		gpu_model_fault_hit(&ax->gm, A2XX_FAULT_CORRUPT_WRITE, &mask);
		WRITE_ONCE(*to, payload[i] ^ (u32)mask);
		ax->gm.counters[A2XX_WRITES]++;
	}
}

static void a2xx_cp_event_write(struct a2xx *ax, const u32 *payload, u32 words)
{
	u64 unused;
	u32 *to;

	if (words < 3 || gpu_model_fault_hit(&ax->gm, A2XX_FAULT_LOSE_FENCE, &unused))
		return;
	to = a2xx_mmu_access(ax, payload[1], A2XX_WRITE);
	if (!to)
		return;
	/* What was written before is there when the time stamp is. */
	smp_store_release(to, payload[2]);
	ax->gm.counters[A2XX_FENCES]++;
}

static void a2xx_cp_interrupt(struct a2xx *ax)
{
	static const u32 events[] = { A2XX_CP_INT_RB, A2XX_CP_INT_IB1, A2XX_CP_INT_IB2 };
	u64 unused;

	a2xx_raise(ax, REG_AXXX_CP_INT_STATUS, events[ax->cp.depth],
		   gpu_model_fault_hit(&ax->gm, A2XX_FAULT_LOSE_INTERRUPT, &unused));
}

/* How many words a type 3 packet must have at least; 0 where there is no such packet. */
static u32 a2xx_cp_least(u32 opcode)
{
	switch (opcode) {
	case CP_NOP:
	case CP_WAIT_FOR_IDLE:
	case CP_ME_INIT:
	case CP_SET_PROTECTED_MODE:
	case CP_INTERRUPT:
	case CP_EVENT_WRITE:
		return 1;
	case CP_INDIRECT_BUFFER_PFD:
	case CP_INDIRECT_BUFFER_PFE:
	case CP_MEM_WRITE:
		return 2;
	default:
		return 0;
	}
}

static void a2xx_cp_execute3(struct a2xx *ax, u32 opcode, const u32 *payload, u32 words)
{
	if (!a2xx_cp_least(opcode) || words < a2xx_cp_least(opcode) ||
	    (words > A2XX_MAX_PAYLOAD && opcode != CP_NOP)) {
		gpu_model_unsupported(&ax->gm, "packet 0x%x of %u words", opcode, words);
		a2xx_cp_stop(ax, A2XX_CP_INT_OPCODE_ERROR);
		return;
	}
	switch (opcode) {
	case CP_INDIRECT_BUFFER_PFD:
	case CP_INDIRECT_BUFFER_PFE:
		a2xx_cp_begin(ax, payload[0], payload[1]);
		break;
	case CP_MEM_WRITE:
		a2xx_cp_mem_write(ax, payload, words);
		break;
	case CP_EVENT_WRITE:
		a2xx_cp_event_write(ax, payload, words);
		break;
	case CP_INTERRUPT:
		a2xx_cp_interrupt(ax);
		break;
	default:	/* packets are executed one by one and at once: there is nothing to wait for or to set up */
		break;
	}
}

static bool a2xx_cp_may_set(const struct a2xx *ax, u32 reg)
{
	return !ax->cp.depth || reg >= A2XX_CONTEXT_REGS ||
	       (reg >= REG_AXXX_CP_SCRATCH_REG0 && reg <= REG_AXXX_CP_SCRATCH_REG7);
}

static void a2xx_cp_execute0(struct a2xx *ax, u32 reg, const u32 *payload, u32 words)
{
	u32 i;

	if (words > A2XX_MAX_PAYLOAD || reg + words > A2XX_REGS || !a2xx_cp_may_set(ax, reg)) {
		a2xx_cp_stop(ax, A2XX_CP_INT_PROTECTED_ERROR);
		return;
	}
	for (i = 0; i < words; i++)
		ax->regs[reg + i] = payload[i];
}

/* One packet, or the end of a stream. Those that begin streams are left where they are unless MAY_BEGIN. */
static enum a2xx_step a2xx_cp_step(struct a2xx *ax, bool may_begin)
{
	const struct a2xx_stream *stream = a2xx_cp_stream(ax);
	u32 available = stream ? stream->left : a2xx_cp_in_ring(ax);
	u32 header, words, opcode, type, i;

	if (!available) {
		if (!stream)
			return A2XX_WAIT;
		ax->cp.depth--;
		return A2XX_DONE;
	}
	if (!a2xx_cp_peek(ax, 0, &header)) {
		a2xx_cp_stop(ax, 0);
		return A2XX_WAIT;
	}
	type = FIELD_GET(A2XX_PKT_TYPE, header);
	opcode = FIELD_GET(A2XX_PKT3_OPCODE, header);
	words = type == 2 ? 0 : FIELD_GET(A2XX_PKT_COUNT, header) + 1;
	if (type == 3 && !may_begin && (opcode == CP_INDIRECT_BUFFER_PFD || opcode == CP_INDIRECT_BUFFER_PFE))
		return A2XX_WAIT;
	if (words >= available) {
		if (stream)
			a2xx_cp_stop(ax, A2XX_CP_INT_IB_ERROR);
		return A2XX_WAIT;	/* in the ring: its end has not been written yet */
	}
	for (i = 0; i < min(words, A2XX_MAX_PAYLOAD); i++) {
		if (!a2xx_cp_peek(ax, 1 + i, &ax->cp.payload[i])) {
			a2xx_cp_stop(ax, 0);
			return A2XX_WAIT;
		}
	}
	a2xx_cp_advance(ax, 1 + words);
	ax->gm.counters[A2XX_PACKETS]++;
	if (type == 3)
		a2xx_cp_execute3(ax, opcode, ax->cp.payload, words);
	else if (type == 0)
		a2xx_cp_execute0(ax, FIELD_GET(A2XX_PKT0_REG, header), ax->cp.payload, words);
	else if (type == 1)
		a2xx_cp_stop(ax, A2XX_CP_INT_OPCODE_ERROR);
	return A2XX_DONE;
}

static bool a2xx_cp_runs(const struct a2xx *ax)
{
	return !ax->cp.stopped && !(ax->regs[REG_AXXX_CP_ME_CNTL] & AXXX_CP_ME_CNTL_HALT) &&
	       !ax->regs[REG_A2XX_RBBM_SOFT_RESET];
}

/*
 * WPTR was written, or the CP may run again. What msm busily waits for (a2xx_me_init(), from a real-time thread) is done
 * at once; streams are left to the worker.
 */
void a2xx_cp_doorbell(struct a2xx *ax)
{
	unsigned int i;

	for (i = 0; i < A2XX_AT_ONCE && !ax->cp.depth && a2xx_cp_runs(ax); i++)
		if (a2xx_cp_step(ax, false) == A2XX_WAIT)
			break;
	if (a2xx_cp_busy(ax))
		gpu_model_kick(&ax->gm);
}

ktime_t a2xx_cp_work(struct a2xx *ax)
{
	struct a2xx_cp *cp = &ax->cp;
	unsigned int i;

	for (i = 0; i < A2XX_AT_ONCE && a2xx_cp_runs(ax); i++) {
		if (cp->not_before && ktime_before(ktime_get(), cp->not_before))
			return cp->not_before;
		cp->not_before = 0;
		if (a2xx_cp_step(ax, true) == A2XX_WAIT)
			return KTIME_MAX;
	}
	return a2xx_cp_runs(ax) ? 0 : KTIME_MAX;
}

void a2xx_cp_reset(struct a2xx *ax)
{
	u64 unused;

	ax->gm.counters[A2XX_RESETS]++;
	ax->regs[REG_AXXX_CP_RB_WPTR] = 0;
	ax->cp.rptr = 0;
	ax->cp.depth = 0;
	ax->cp.not_before = 0;
	if (!gpu_model_fault_hit(&ax->gm, A2XX_FAULT_STUCK_RESET, &unused))
		ax->cp.stopped = false;
}

void a2xx_cp_end_delay(struct a2xx *ax)
{
	ax->cp.not_before = 0;
	gpu_model_kick(&ax->gm);
}
