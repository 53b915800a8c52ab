// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: the microcontroller and its firmware, as far as it is about no single group: boot, the global
 * interface, doorbells. What the driver expects: panthor_fw.c and panthor_fw.h.
 *
 * There is no firmware in the image that the driver loads: this file is the firmware, and the image only describes the
 * memory that it works in.
 *
 * Requests toggle: one is pending while its bit of REQ differs from that of ACK, and is acknowledged by making them
 * equal. HALT is no such request: it acts when it rises, and the answer is MCU_STATUS.
 * [A] The control blocks are written at boot, the input and output blocks never: a driver that did not load the sections
 * again (a "fast reset") finds in them what was there.
 * [A] A doorbell that rings while the MCU does not run is forgotten.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/ktime.h>

#include "mali_csf.h"

#define CSF_GLB_REQUESTS	(GLB_CFG_PROGRESS_TIMER | GLB_CFG_ALLOC_EN | GLB_CFG_POWEROFF_TIMER | \
				 GLB_PING | GLB_FWCFG_UPDATE | GLB_IDLE_EN)
#define CSF_CS_FEATURES		(FIELD_PREP(CS_FEATURES_WORK_REGS, CSF_NUM_REGS - 1) | \
				 FIELD_PREP(CS_FEATURES_SCOREBOARDS, CSF_NUM_SCOREBOARDS) | \
				 CS_FEATURES_COMPUTE | CS_FEATURES_FRAGMENT | CS_FEATURES_TILER)

bool csf_mcu_running(const struct mali_csf *csf)
{
	return csf->mcu.status == MCU_STATUS_ENABLED;
}

u32 csf_mcu_status(const struct mali_csf *csf)
{
	return csf->mcu.status;
}

void csf_raise_job(struct mali_csf *csf, u32 bits)
{
	u64 unused;

	gpu_model_irq_post(&csf->gm.irqs[CSF_IRQ_JOB], bits,
			   gpu_model_fault_hit(&csf->gm, CSF_FAULT_LOSE_INTERRUPT, &unused));
}

/* A dead MCU does nothing more. */
bool csf_mcu_read(struct mali_csf *csf, u64 va, void *buf, size_t len)
{
	if (csf->mcu.status != MCU_STATUS_FATAL && csf_read(csf, CSF_MCU_AS, va, buf, len))
		return true;
	csf->mcu.status = MCU_STATUS_FATAL;
	return false;
}

bool csf_mcu_write(struct mali_csf *csf, u64 va, const void *buf, size_t len)
{
	if (csf->mcu.status != MCU_STATUS_FATAL && csf_write(csf, CSF_MCU_AS, va, buf, len))
		return true;
	csf->mcu.status = MCU_STATUS_FATAL;
	return false;
}

u32 csf_mcu_get(struct mali_csf *csf, u64 va)
{
	u32 val;

	return csf_mcu_read(csf, va, &val, sizeof(val)) ? val : 0;
}

u64 csf_mcu_get64(struct mali_csf *csf, u64 va)
{
	u64 val;

	return csf_mcu_read(csf, va, &val, sizeof(val)) ? val : 0;
}

void csf_mcu_set(struct mali_csf *csf, u64 va, u32 val)
{
	csf_mcu_write(csf, va, &val, sizeof(val));
}

void csf_mcu_set64(struct mali_csf *csf, u64 va, u64 val)
{
	csf_mcu_write(csf, va, &val, sizeof(val));
}

static void csf_mcu_write_group_control(struct mali_csf *csf, u32 csg, u32 last_features)
{
	u64 control = CSF_CSG_CONTROL(csg);
	u32 cs;

	csf_mcu_set(csf, control + CSG_FEATURES, 0);
	csf_mcu_set(csf, control + CSG_INPUT_VA, CSF_CSG_INPUT(csg));
	csf_mcu_set(csf, control + CSG_OUTPUT_VA, CSF_CSG_OUTPUT(csg));
	csf_mcu_set(csf, control + CSG_SUSPEND_SIZE, CSF_SUSPEND_SIZE);
	csf_mcu_set(csf, control + CSG_PROTM_SUSPEND_SIZE, CSF_PROTM_SUSPEND_SIZE);
	csf_mcu_set(csf, control + CSG_STREAM_NUM, CSF_NUM_CS);
	csf_mcu_set(csf, control + CSG_STREAM_STRIDE, CSF_STREAM_STRIDE);

	for (cs = 0; cs < CSF_NUM_CS; cs++) {
		control = CSF_CS_CONTROL(csg, cs);
		csf_mcu_set(csf, control + CS_FEATURES, cs == CSF_NUM_CS - 1 ? last_features : CSF_CS_FEATURES);
		csf_mcu_set(csf, control + CS_INPUT_VA, CSF_CS_INPUT(csg, cs));
		csf_mcu_set(csf, control + CS_OUTPUT_VA, CSF_CS_OUTPUT(csg, cs));
	}
}

static void csf_mcu_write_control(struct mali_csf *csf)
{
	u32 version = CSF_FW_VERSION, groups = CSF_NUM_CSG, last_features = CSF_CS_FEATURES, csg;
	u64 wrong;

	if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_BOOT_INTERFACE, &wrong)) {
		version = wrong == 0 ? 0 : version;
		groups = wrong == 1 ? 2 : groups;
		last_features = wrong == 2 ? 0 : last_features;
	}
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_VERSION, version);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_FEATURES, 0);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_INPUT_VA, CSF_GLB_INPUT);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_OUTPUT_VA, CSF_GLB_OUTPUT);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_GROUP_NUM, groups);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_GROUP_STRIDE, CSF_GROUP_STRIDE);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_PERFCNT_SIZE, 0);
	csf_mcu_set(csf, CSF_GLB_CONTROL + GLB_INSTR_FEATURES, 0);
	for (csg = 0; csg < CSF_NUM_CSG; csg++)
		csf_mcu_write_group_control(csf, csg, last_features);
}

static void csf_mcu_boot(struct mali_csf *csf)
{
	struct csf_mcu *mcu = &csf->mcu;
	u64 dead;

	if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_FAIL_BOOT, &dead)) {
		mcu->status = dead ? MCU_STATUS_FATAL : MCU_STATUS_DISABLED;
		return;
	}
	if (!csf->gpu.l2_ready || !csf_as_enabled(csf, CSF_MCU_AS)) {
		mcu->status = MCU_STATUS_FATAL;
		return;
	}

	mcu->status = MCU_STATUS_ENABLED;
	mcu->lost = 0;
	mcu->doorbell_at = 0;
	csf_mcu_write_control(csf);
	mcu->halt_seen = csf_mcu_get(csf, CSF_GLB_INPUT + GLB_REQ) & GLB_HALT;
	csf_groups_reset(csf);
	if (!csf_mcu_running(csf))
		return;
	csf->gm.counters[CSF_BOOTS]++;
	csf_raise_job(csf, JOB_INT_GLOBAL_IF);
}

static void csf_mcu_stop(struct mali_csf *csf)
{
	csf->mcu.status = MCU_STATUS_DISABLED;
	csf->mcu.doorbell_at = 0;
	csf_groups_reset(csf);
}

void csf_mcu_control(struct mali_csf *csf, u32 val)
{
	csf->mcu.control = val;
	switch (val) {
	case MCU_CONTROL_DISABLE:
		csf_mcu_stop(csf);
		break;
	case MCU_CONTROL_ENABLE:
	case MCU_CONTROL_AUTO:
		if (!csf_mcu_running(csf))
			csf_mcu_boot(csf);
		break;
	default:
		gpu_model_unsupported(&csf->gm, "MCU_CONTROL %u", val);
	}
}

void csf_mcu_reset(struct mali_csf *csf)
{
	csf_mcu_stop(csf);
	memset(&csf->mcu, 0, sizeof(csf->mcu));
}

static void csf_mcu_global_requests(struct mali_csf *csf, u32 req)
{
	u32 ack = csf_mcu_get(csf, CSF_GLB_OUTPUT + GLB_ACK);
	u32 pending = (req ^ ack) & CSF_GLB_REQUESTS;
	u64 lost;

	csf->mcu.lost &= pending;
	pending &= ~csf->mcu.lost;
	if (pending && gpu_model_fault_hit(&csf->gm, CSF_FAULT_LOSE_GLOBAL_REQUEST, &lost))
		csf->mcu.lost |= pending & lost;
	if (pending & GLB_PING) {
		csf->gm.counters[CSF_PINGS]++;
		if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_LOSE_PING, &lost))
			csf->mcu.lost |= GLB_PING;
	}
	pending &= ~csf->mcu.lost;
	if (!pending)
		return;

	csf_mcu_set(csf, CSF_GLB_OUTPUT + GLB_ACK, ack ^ pending);
	if (pending & csf_mcu_get(csf, CSF_GLB_INPUT + GLB_ACK_IRQ_MASK))
		csf_raise_job(csf, JOB_INT_GLOBAL_IF);
}

static void csf_mcu_group_requests(struct mali_csf *csf)
{
	u32 ack = csf_mcu_get(csf, CSF_GLB_OUTPUT + GLB_DOORBELL_ACK);
	unsigned long rung = csf_mcu_get(csf, CSF_GLB_INPUT + GLB_DOORBELL_REQ) ^ ack;
	unsigned int csg;
	u64 unused;

	if (rung & ~GENMASK(CSF_NUM_CSG - 1, 0))
		gpu_model_unsupported(&csf->gm, "groups 0x%lx", rung);
	csf_mcu_set(csf, CSF_GLB_OUTPUT + GLB_DOORBELL_ACK, ack ^ rung);
	for_each_set_bit(csg, &rung, CSF_NUM_CSG) {
		if (!gpu_model_fault_hit(&csf->gm, CSF_FAULT_LOSE_GROUP_REQUEST, &unused))
			csf_group_request(csf, csg);
	}
}

static void csf_mcu_halt(struct mali_csf *csf, u32 req)
{
	u64 halt_status = GLB_HALT_OK;
	bool rises = (req & GLB_HALT) && !csf->mcu.halt_seen;

	csf->mcu.halt_seen = req & GLB_HALT;
	if (!rises)
		return;
	if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_REFUSE_HALT, &halt_status) && halt_status == GLB_HALT_OK)
		return;

	csf_groups_park(csf);
	csf_mcu_set(csf, CSF_GLB_OUTPUT + GLB_HALT_STATUS, halt_status);
	if (!csf_mcu_running(csf))
		return;
	csf->mcu.status = MCU_STATUS_HALT;
	csf->gm.counters[CSF_HALTS]++;
}

/* The global interface is looked at. Groups come before HALT, since they cannot be asked any more after it. */
static void csf_mcu_look(struct mali_csf *csf)
{
	u32 req = csf_mcu_get(csf, CSF_GLB_INPUT + GLB_REQ);

	csf->mcu.doorbell_at = 0;
	if (csf_mcu_running(csf))
		csf_mcu_global_requests(csf, req);
	if (csf_mcu_running(csf))
		csf_mcu_group_requests(csf);
	if (csf_mcu_running(csf))
		csf_mcu_halt(csf, req);
}

static void csf_mcu_global_doorbell(struct mali_csf *csf)
{
	u64 value;

	csf->gm.counters[CSF_DOORBELLS]++;
	if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_SPURIOUS_INTERRUPT, &value))
		csf_raise_job(csf, value);
	if (!csf_mcu_running(csf) || csf->mcu.doorbell_at)
		return;
	if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_DELAY_DOORBELL, &value)) {
		csf->mcu.doorbell_at = ktime_add_us(ktime_get(), value);
		gpu_model_kick(&csf->gm);
		return;
	}
	csf_mcu_look(csf);
	gpu_model_kick(&csf->gm);
}

void csf_mcu_doorbell(struct mali_csf *csf, u32 id)
{
	if (id == CSF_GLB_DOORBELL_ID) {
		csf_mcu_global_doorbell(csf);
	} else if (id <= CSF_NUM_CSG) {
		csf->gm.counters[CSF_USER_DOORBELLS]++;
		if (csf_mcu_running(csf))
			csf_user_doorbell(csf, id - 1);
	} else {
		gpu_model_unsupported(&csf->gm, "doorbell %u", id);
	}
}

void csf_mcu_end_delays(struct mali_csf *csf)
{
	if (csf->mcu.doorbell_at && csf_mcu_running(csf))
		csf_mcu_look(csf);
	gpu_model_kick(&csf->gm);
}

/* When the worker is needed again for a doorbell that was delayed; KTIME_MAX: it is not. */
ktime_t csf_mcu_work(struct mali_csf *csf)
{
	ktime_t at = csf->mcu.doorbell_at;

	if (!at || !csf_mcu_running(csf))
		return KTIME_MAX;
	if (ktime_after(at, ktime_get()))
		return at;
	csf_mcu_look(csf);
	return KTIME_MAX;
}
