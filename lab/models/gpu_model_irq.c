// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU models, shared part: interrupt blocks.
 *
 * STAT = RAWSTAT & MASK; the line is high while STAT != 0 and the kernel has not masked it. The line is looked at again
 * after every change of any of the three, so an event that comes in while the driver has MASK at 0 fires on the write
 * that sets MASK again.
 *
 * Handlers never run inside a register access, since they access registers: a hard irq_work delivers the interrupt, in
 * hard interrupt context, and queues itself again for as long as the level stays high.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>

#include "gpu_model.h"

static bool gpu_model_irq_line(const struct gpu_model_irq *irq)
{
	return (irq->rawstat & irq->mask) && !irq->chip_masked;
}

static void gpu_model_irq_update(struct gpu_model_irq *irq)
{
	if (gpu_model_irq_line(irq))
		irq_work_queue(&irq->deliver);
}

static void gpu_model_irq_deliver(struct irq_work *work)
{
	struct gpu_model_irq *irq = container_of(work, struct gpu_model_irq, deliver);
	struct gpu_model *gm = irq->gm;
	unsigned long flags;
	bool high;

	raw_spin_lock_irqsave(&gm->lock, flags);
	high = gpu_model_irq_line(irq);
	gm->interrupts += high;
	raw_spin_unlock_irqrestore(&gm->lock, flags);
	if (!high)
		return;

	generic_handle_irq(irq->virq);

	raw_spin_lock_irqsave(&gm->lock, flags);
	gpu_model_irq_update(irq);
	raw_spin_unlock_irqrestore(&gm->lock, flags);
}

u32 gpu_model_irq_read(struct gpu_model_irq *irq, u32 reg)
{
	switch (reg) {
	case GPU_MODEL_IRQ_RAWSTAT:
		return irq->rawstat;
	case GPU_MODEL_IRQ_MASK:
		return irq->mask;
	case GPU_MODEL_IRQ_STAT:
		return irq->rawstat & irq->mask;
	default:
		gpu_model_unsupported(irq->gm, "read of interrupt register +0x%x", reg);
		return 0;
	}
}
EXPORT_SYMBOL_GPL(gpu_model_irq_read);

void gpu_model_irq_write(struct gpu_model_irq *irq, u32 reg, u32 val)
{
	switch (reg) {
	case GPU_MODEL_IRQ_CLEAR:
		irq->rawstat &= ~val;
		break;
	case GPU_MODEL_IRQ_MASK:
		irq->mask = val;
		break;
	default:
		gpu_model_unsupported(irq->gm, "write of 0x%x to interrupt register +0x%x", val, reg);
		return;
	}
	gpu_model_irq_update(irq);
}
EXPORT_SYMBOL_GPL(gpu_model_irq_write);

/*
 * Events have happened. A lost interrupt is one whose events stand in RAWSTAT while the line stays as it was; the next
 * change of the block brings it to light.
 */
void gpu_model_irq_post(struct gpu_model_irq *irq, u32 events, bool lost)
{
	irq->rawstat |= events;
	if (!lost)
		gpu_model_irq_update(irq);
}
EXPORT_SYMBOL_GPL(gpu_model_irq_post);

void gpu_model_irq_reset(struct gpu_model_irq *irq)
{
	irq->rawstat = 0;
	irq->mask = 0;
}
EXPORT_SYMBOL_GPL(gpu_model_irq_reset);

static void gpu_model_irq_chip_set_masked(struct irq_data *data, bool masked)
{
	struct gpu_model_irq *irq = irq_data_get_irq_chip_data(data);
	unsigned long flags;

	raw_spin_lock_irqsave(&irq->gm->lock, flags);
	irq->chip_masked = masked;
	gpu_model_irq_update(irq);
	raw_spin_unlock_irqrestore(&irq->gm->lock, flags);
}

static void gpu_model_irq_chip_mask(struct irq_data *data)
{
	gpu_model_irq_chip_set_masked(data, true);
}

static void gpu_model_irq_chip_unmask(struct irq_data *data)
{
	gpu_model_irq_chip_set_masked(data, false);
}

static struct irq_chip gpu_model_irq_chip = {
	.name = "gpu_model",
	.irq_mask = gpu_model_irq_chip_mask,
	.irq_unmask = gpu_model_irq_chip_unmask,
};

int gpu_model_irqs_init(struct gpu_model *gm)
{
	unsigned int n = gpu_model_count(gm->desc->irqs);
	unsigned int i;
	int base;

	if (WARN_ON(n > GPU_MODEL_MAX_IRQS))
		return -EINVAL;

	base = irq_alloc_descs(-1, 0, n, NUMA_NO_NODE);
	if (base < 0)
		return base;

	for (i = 0; i < n; i++) {
		struct gpu_model_irq *irq = &gm->irqs[i];

		irq->gm = gm;
		irq->virq = base + i;
		irq->chip_masked = true;
		irq->deliver = IRQ_WORK_INIT_HARD(gpu_model_irq_deliver);
		irq_set_chip_data(irq->virq, irq);
		irq_set_chip_and_handler(irq->virq, &gpu_model_irq_chip, handle_level_irq);
		irq_modify_status(irq->virq, IRQ_NOREQUEST | IRQ_NOAUTOEN, IRQ_NOPROBE);
	}
	return 0;
}

void gpu_model_irqs_fini(struct gpu_model *gm)
{
	unsigned int n = gpu_model_count(gm->desc->irqs);
	unsigned int i;

	for (i = 0; i < n; i++)
		irq_work_sync(&gm->irqs[i].deliver);
	irq_free_descs(gm->irqs[0].virq, n);
}
