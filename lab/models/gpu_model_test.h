/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the register-level tests of all models share. Nothing in them is timed: gpu_model_test_settle() waits until the
 * model has nothing left to do before it is woken again, and what has not happened by then will not happen by itself.
 */
#ifndef GPU_MODEL_TEST_H
#define GPU_MODEL_TEST_H

#include <kunit/test.h>
#include <linux/delay.h>

#include "gpu_model.h"

static inline void gpu_model_test_settle(struct kunit *test, struct gpu_model *gm)
{
	unsigned int i;

	for (i = 0; i < 20000 && !READ_ONCE(gm->idle); i++)
		usleep_range(100, 500);
	KUNIT_ASSERT_TRUE_MSG(test, READ_ONCE(gm->idle), "the model did not come to rest");
	for (i = 0; i < gpu_model_count(gm->desc->irqs); i++)
		irq_work_sync(&gm->irqs[i].deliver);
}

#endif
