// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register-level tests of the CSF model: boot, the global interface, doorbells.
 */
#include <linux/string.h>

#include "mali_csf_test.h"

static void boot_writes_control_only(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 boots = counter(c, CSF_BOOTS);

	gpu_model_test_unmask(&c->irqs);
	memset32(field(c, CSF_GLB_INPUT), POISON, (CSF_SHARED_SIZE - 0x2000) / 4);
	*field(c, CSF_GLB_INPUT + GLB_REQ) = 0;
	*field(c, CSF_GLB_OUTPUT + GLB_ACK) = 0;
	boot(c);
	settle(test);

	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_ENABLED);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), JOB_INT_GLOBAL_IF);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[CSF_IRQ_JOB]), 1);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_BOOTS), boots + 1);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_CONTROL + GLB_OUTPUT_VA), CSF_GLB_OUTPUT);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_CS_CONTROL(3, 7) + CS_INPUT_VA), CSF_CS_INPUT(3, 7));
	KUNIT_EXPECT_EQ(test, *field(c, CSF_CS_CONTROL(3, 7) + CS_FEATURES),
			*field(c, CSF_CS_CONTROL(0, 0) + CS_FEATURES));
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_INPUT + GLB_CORE_EN_MASK), POISON);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_CS_OUTPUT(3, 7) + CS_HEAP_ADDRESS), POISON);
}

static void boot_needs_power(struct kunit *test)
{
	struct ctx *c = test->priv;

	wr(c, L2_PWROFF_LO, 1);
	boot(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_FATAL);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), 0);
}

static void boot_fails(struct kunit *test)
{
	struct ctx *c = test->priv;

	plant(c, CSF_FAULT_FAIL_BOOT, 1, 0);
	boot(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_DISABLED);
	plant(c, CSF_FAULT_FAIL_BOOT, 1, 1);
	boot(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_FATAL);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), 0);
	boot(c);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), JOB_INT_GLOBAL_IF);
}

static void wrong_interface(struct kunit *test)
{
	struct ctx *c = test->priv;

	plant(c, CSF_FAULT_BOOT_INTERFACE, 1, 0);
	boot(c);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_CONTROL + GLB_VERSION), 0);
	wr(c, MCU_CONTROL, MCU_CONTROL_DISABLE);
	plant(c, CSF_FAULT_BOOT_INTERFACE, 1, 1);
	boot(c);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_CONTROL + GLB_VERSION), CSF_FW_VERSION);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_CONTROL + GLB_GROUP_NUM), 2);
	wr(c, MCU_CONTROL, MCU_CONTROL_DISABLE);
	plant(c, CSF_FAULT_BOOT_INTERFACE, 1, 2);
	boot(c);
	KUNIT_EXPECT_NE(test, *field(c, CSF_CS_CONTROL(0, 7) + CS_FEATURES), *field(c, CSF_CS_CONTROL(0, 0) + CS_FEATURES));
}

static void requests_are_acknowledged(struct kunit *test)
{
	struct ctx *c = test->priv;

	boot(c);
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, ~0);
	*field(c, CSF_GLB_INPUT + GLB_ACK_IRQ_MASK) = GLB_PING;
	request(c, GLB_CFG_ALLOC_EN | GLB_CFG_POWEROFF_TIMER | GLB_CFG_PROGRESS_TIMER | GLB_IDLE_EN);
	KUNIT_EXPECT_EQ(test, pending(c), 0);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), 0);

	request(c, GLB_PING);
	KUNIT_EXPECT_EQ(test, pending(c), 0);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), JOB_INT_GLOBAL_IF);
}

static void nothing_without_doorbell(struct kunit *test)
{
	struct ctx *c = test->priv;

	boot(c);
	*field(c, CSF_GLB_INPUT + GLB_REQ) ^= GLB_PING;
	settle(test);
	KUNIT_EXPECT_EQ(test, pending(c), GLB_PING);
	ring(c);
	KUNIT_EXPECT_EQ(test, pending(c), 0);
}

static void lost_requests(struct kunit *test)
{
	struct ctx *c = test->priv;

	boot(c);
	plant(c, CSF_FAULT_LOSE_PING, 1, 0);
	request(c, GLB_PING | GLB_CFG_ALLOC_EN);
	KUNIT_EXPECT_EQ(test, pending(c), GLB_PING);
	ring(c);
	KUNIT_EXPECT_EQ(test, pending(c), GLB_PING);
	request(c, 0);
	request(c, GLB_PING);
	KUNIT_EXPECT_EQ(test, pending(c), 0);

	plant(c, CSF_FAULT_LOSE_GLOBAL_REQUEST, 1, GLB_CFG_ALLOC_EN);
	request(c, GLB_PING | GLB_CFG_ALLOC_EN);
	KUNIT_EXPECT_EQ(test, pending(c), GLB_CFG_ALLOC_EN);
}

static void delayed_doorbell(struct kunit *test)
{
	struct ctx *c = test->priv;

	boot(c);
	plant(c, CSF_FAULT_DELAY_DOORBELL, 1, 1000);
	request(c, GLB_PING);
	settle(test);
	KUNIT_EXPECT_EQ(test, pending(c), 0);

	plant(c, CSF_FAULT_DELAY_DOORBELL, -1, USEC_PER_SEC * 3600);
	request(c, GLB_PING);
	KUNIT_EXPECT_EQ(test, pending(c), GLB_PING);
	plant(c, CSF_FAULT_DELAY_DOORBELL, 0, 0);
	KUNIT_EXPECT_EQ(test, pending(c), 0);
}

static void halt_acts_when_it_rises(struct kunit *test)
{
	struct ctx *c = test->priv;
	u64 halts = counter(c, CSF_HALTS);

	boot(c);
	*field(c, CSF_GLB_OUTPUT + GLB_HALT_STATUS) = POISON;
	request(c, GLB_HALT);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_HALT);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_OUTPUT + GLB_HALT_STATUS), GLB_HALT_OK);
	KUNIT_EXPECT_EQ(test, counter(c, CSF_HALTS), halts + 1);

	request(c, GLB_PING | GLB_HALT);	/* a halted firmware hears nothing */
	KUNIT_EXPECT_EQ(test, pending(c), GLB_PING | GLB_HALT);

	boot(c);				/* HALT still stands, and does not rise */
	ring(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_ENABLED);
	*field(c, CSF_GLB_INPUT + GLB_REQ) &= ~GLB_HALT;
	ring(c);
	*field(c, CSF_GLB_INPUT + GLB_REQ) |= GLB_HALT;
	ring(c);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_HALT);
}

static void halt_refused(struct kunit *test)
{
	struct ctx *c = test->priv;

	boot(c);
	plant(c, CSF_FAULT_REFUSE_HALT, 1, 0);
	request(c, GLB_HALT);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_ENABLED);
	request(c, 0);
	plant(c, CSF_FAULT_REFUSE_HALT, 1, GLB_HALT_ON_PANIC);
	request(c, GLB_HALT);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_HALT);
	KUNIT_EXPECT_EQ(test, *field(c, CSF_GLB_OUTPUT + GLB_HALT_STATUS), GLB_HALT_ON_PANIC);
}

static void stop(struct kunit *test)
{
	struct ctx *c = test->priv;

	boot(c);
	wr(c, MCU_CONTROL, MCU_CONTROL_DISABLE);
	KUNIT_EXPECT_EQ(test, rd(c, MCU_STATUS), MCU_STATUS_DISABLED);
	request(c, GLB_PING);
	KUNIT_EXPECT_EQ(test, pending(c), GLB_PING);
}

/* The groups' own requests are those of no tenant: nothing pends in their blocks. */
static void group_doorbells_are_acknowledged(struct kunit *test)
{
	struct ctx *c = test->priv;
	u32 *req = field(c, CSF_GLB_INPUT + GLB_DOORBELL_REQ), *ack = field(c, CSF_GLB_OUTPUT + GLB_DOORBELL_ACK);
	struct gpu_model_fault *lose = &c->gm->faults[CSF_FAULT_LOSE_GROUP_REQUEST];
	u64 fired = lose->fired;

	boot(c);
	plant(c, CSF_FAULT_LOSE_GROUP_REQUEST, -1, 0);
	*req = 0x5;
	ring(c);
	KUNIT_EXPECT_EQ(test, *ack, 0x5);
	*req = 0x4;
	ring(c);
	KUNIT_EXPECT_EQ(test, *ack, 0x4);
	KUNIT_EXPECT_EQ(test, lose->fired, fired + 3);
}

static void interrupts_lost_and_for_nothing(struct kunit *test)
{
	struct ctx *c = test->priv;

	gpu_model_test_unmask(&c->irqs);
	plant(c, CSF_FAULT_LOSE_INTERRUPT, 1, 0);
	boot(c);
	settle(test);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), JOB_INT_GLOBAL_IF);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[CSF_IRQ_JOB]), 0);
	wr(c, JOB_INT + GPU_MODEL_IRQ_CLEAR, ~0);

	plant(c, CSF_FAULT_SPURIOUS_INTERRUPT, 1, JOB_INT_CSG_IF(2));
	ring(c);
	settle(test);
	KUNIT_EXPECT_EQ(test, rawstat(c, CSF_IRQ_JOB), JOB_INT_CSG_IF(2));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->irqs.seen[CSF_IRQ_JOB]), 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(boot_writes_control_only),
	KUNIT_CASE(boot_needs_power),
	KUNIT_CASE(boot_fails),
	KUNIT_CASE(wrong_interface),
	KUNIT_CASE(requests_are_acknowledged),
	KUNIT_CASE(nothing_without_doorbell),
	KUNIT_CASE(lost_requests),
	KUNIT_CASE(delayed_doorbell),
	KUNIT_CASE(halt_acts_when_it_rises),
	KUNIT_CASE(halt_refused),
	KUNIT_CASE(stop),
	KUNIT_CASE(group_doorbells_are_acknowledged),
	KUNIT_CASE(interrupts_lost_and_for_nothing),
	{}
};

struct kunit_suite mali_csf_mcu_suite = {
	.name = "mali_csf_mcu",
	.init = ctx_init,
	.exit = ctx_exit,
	.test_cases = cases,
};
