/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all GPU models share: a window of registers that an unmodified driver reaches through the shim, interrupt
 * blocks, a worker that does the GPU's work, a device for the driver to bind to, planted faults and counters.
 *
 * A model embeds struct gpu_model, describes itself in a struct gpu_model_desc, and supplies its hardware: what reads
 * and writes of registers do, and what the GPU does by itself.
 *
 * A real GPU does not suffer from the machine's memory pressure. So nothing here allocates or sleeps between
 * gpu_model_register() and gpu_model_unregister(), and the one lock is a raw spinlock that nothing else takes.
 */
#ifndef GPU_MODEL_H
#define GPU_MODEL_H

#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#define GPU_MODEL_MAX_IRQS	12
#define GPU_MODEL_MAX_FAULTS	40

/* An interrupt block as Arm's GPUs have it: four registers and one level-triggered line. */
#define GPU_MODEL_IRQ_RAWSTAT	0x0	/* (RO) events */
#define GPU_MODEL_IRQ_CLEAR	0x4	/* (WO) write one to clear */
#define GPU_MODEL_IRQ_MASK	0x8	/* (RW) events that raise the line */
#define GPU_MODEL_IRQ_STAT	0xc	/* (RO) RAWSTAT & MASK */

struct clk_hw;
struct clk_lookup;
struct dentry;
struct firmware;
struct gpu_model;
struct task_struct;

struct gpu_model_irq {
	struct gpu_model *gm;
	struct irq_work deliver;
	unsigned int virq;

	/* Protected by gm->lock */
	u32 rawstat;
	u32 mask;
	bool chip_masked;	/* the kernel does not want this line now */
};

/* A fault planted for the COUNT events that begin with the NTH next one; NTH 0 is off, COUNT -1 is without end. */
struct gpu_model_fault {
	struct gpu_model *gm;

	/* Protected by gm->lock */
	u64 nth;
	s64 count;
	u64 value;
	u64 fired;
};

struct gpu_model_desc {
	const char *name;		/* of the device and of the directory in debugfs */
	const char *compatible;		/* what the driver matches */
	size_t compatible_size;		/* of several with a NUL between them; 0: it is one */
	const char *mmio_name;		/* optional: by which the driver looks for its registers */
	resource_size_t mmio_base;	/* any range above RAM, one for each model: claimed, but never mapped */
	size_t mmio_size;
	unsigned long clock_hz;
	/* Optional: the supply that the driver gets by this name, and with it an OPP table of one entry (clock_hz, supply_uv) */
	const char *supply;
	u32 supply_uv;
	const char *const *irqs;	/* NULL-terminated, as are the two below */
	const char *const *faults;
	const char *const *counters;

	/* All of these run under gm->lock. */
	u32 (*read)(struct gpu_model *gm, u32 reg);
	void (*write)(struct gpu_model *gm, u32 reg, u32 val);
	/* A bounded piece of work; returns when to call again: 0 at once, KTIME_MAX not before the next kick. */
	ktime_t (*work)(struct gpu_model *gm);
	/* A plan was written; optional. */
	void (*fault_planted)(struct gpu_model *gm, unsigned int fault);
	/* Both or neither: the address of a device fault that waits for its page, 0 for none; and its page is there. */
	u64 (*device_fault)(struct gpu_model *gm);
	bool (*device_fault_resolve)(struct gpu_model *gm, u64 va);
};

struct gpu_model {
	const struct gpu_model_desc *desc;
	raw_spinlock_t lock;
	void __iomem *window;		/* an address to tell the model by; never touched */
	struct task_struct *worker;
	struct gpu_model_irq irqs[GPU_MODEL_MAX_IRQS];

	/* Protected by lock */
	struct gpu_model_fault faults[GPU_MODEL_MAX_FAULTS];
	u64 *counters;			/* indexed as desc->counters */
	u64 interrupts;			/* delivered to the kernel */
	u64 unsupported;		/* things that the driver asked for and the model does not do */
	u64 bad_accesses;		/* to memory that is not RAM, or that is free */
	u64 unanswered;			/* translation faults which the driver has not answered: a bit each; read lock-free */
	u64 device_faults;		/* device faults that wait for a page: a bit for each queue; read lock-free */
	bool kicked;			/* the worker is to be woken once the lock is dropped */
	bool idle;			/* the worker sleeps until the next kick; read lock-free */

	/* Binding, fixed after registration */
	struct device_node *node;
	struct clk_hw *clk;
	struct clk_lookup *clk_lookup;
	struct platform_device *supply;
	struct platform_device *pdev;
	struct dentry *debugfs;
};

int gpu_model_register(struct gpu_model *gm, const struct gpu_model_desc *desc);
void gpu_model_unregister(struct gpu_model *gm);
struct gpu_model *gpu_model_find(const char *name);
/* As of_find_matching_node(), with the nodes of models first: those are in no tree. */
struct device_node *gpu_model_find_matching_node(struct device_node *from, const struct of_device_id *matches);

/* Whether some address space has a translation fault which the driver has not answered yet. For traps: takes no lock. */
bool gpu_model_fault_pending(void);

/*
 * A device fault is one that the driver never hears of: a job has touched memory that it shares with a process, and
 * waits until whoever serves that memory (the pager) has put a page there. In debugfs: device_fault, which shows the
 * address of such a fault or 0, and takes an address back when its page is there (ENOENT: nobody waits for it).
 */
bool gpu_model_device_fault_pending(void);	/* takes no lock */
u64 gpu_model_device_fault(struct gpu_model *gm);
bool gpu_model_device_fault_resolve(struct gpu_model *gm, u64 va);

/* What the shim calls; tests poke registers through the first two. */
u32 gpu_model_readl(const volatile void __iomem *addr);
void gpu_model_writel(u32 val, volatile void __iomem *addr);
void __iomem *gpu_model_ioremap_resource(struct platform_device *pdev, unsigned int index);
void __iomem *gpu_model_get_and_ioremap_resource(struct platform_device *pdev, unsigned int index, struct resource **res);
unsigned int gpu_model_sched_timeout_ms(void);
int gpu_model_request_firmware(const struct firmware **fw, const char *name, struct device *dev);
void gpu_model_release_firmware(const struct firmware *fw);

/* The worker has something to do. Caller holds gm->lock. */
void gpu_model_kick(struct gpu_model *gm);

/* Interrupt blocks. Callers hold gm->lock. */
u32 gpu_model_irq_read(struct gpu_model_irq *irq, u32 reg);
void gpu_model_irq_write(struct gpu_model_irq *irq, u32 reg, u32 val);
void gpu_model_irq_post(struct gpu_model_irq *irq, u32 events, bool lost);
void gpu_model_irq_reset(struct gpu_model_irq *irq);

/* Planted faults. gpu_model_fault_hit() counts one event; caller holds gm->lock. gpu_model_fault_plant() takes it. */
bool gpu_model_fault_hit(struct gpu_model *gm, unsigned int fault, u64 *value);
void gpu_model_fault_plant(struct gpu_model *gm, unsigned int fault, u64 nth, s64 count, u64 value);

/* Memory as the GPU sees it: NULL where there is no RAM or where the page is free. Caller holds gm->lock. */
void *gpu_model_phys(struct gpu_model *gm, phys_addr_t pa);
/*
 * The same in an allocation of 1 << ORDER pages of which only the first is counted: what the DMA API gives, unlike shmem,
 * and unlike alloc_pages() with __GFP_COMP.
 */
void *gpu_model_phys_in_block(struct gpu_model *gm, phys_addr_t pa, unsigned int order);

/* One half of a 64-bit register; LO registers lie at multiples of 8. */
static inline u32 gpu_model_half(u64 val, u32 reg)
{
	return reg & 4 ? upper_32_bits(val) : lower_32_bits(val);
}

static inline void gpu_model_set_half(u64 *val, u32 reg, u32 half)
{
	if (reg & 4)
		*val = (*val & GENMASK_ULL(31, 0)) | (u64)half << 32;
	else
		*val = (*val & GENMASK_ULL(63, 32)) | half;
}

/* Something that this model does not do, or a driver must not do: said loudly, never passed over. */
#define gpu_model_unsupported(gm, fmt, ...)						\
do {											\
	(gm)->unsupported++;								\
	pr_err_ratelimited("gpu_model %s: unsupported: " fmt "\n",			\
			   (gm)->desc->name, ##__VA_ARGS__);				\
} while (0)

/* Between the files of the shared part */
int gpu_model_bind(struct gpu_model *gm);
void gpu_model_unbind(struct gpu_model *gm);
int gpu_model_irqs_init(struct gpu_model *gm);
void gpu_model_irqs_fini(struct gpu_model *gm);
void gpu_model_debugfs_init(struct gpu_model *gm, struct dentry *root);
unsigned int gpu_model_count(const char *const *names);

#endif
