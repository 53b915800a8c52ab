// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU models, shared part: planted faults and counters under /sys/kernel/debug/drmsqueeze/MODEL/.
 *
 * faults/NAME takes "NTH COUNT VALUE" (decimal or 0x) and shows how the plan now stands. counters/NAME are read-only.
 * device_fault is explained in gpu_model.h.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "gpu_model.h"

static int gpu_model_fault_show(struct seq_file *m, void *unused)
{
	struct gpu_model_fault *f = m->private;
	unsigned long flags;
	u64 nth, value;
	s64 count;

	raw_spin_lock_irqsave(&f->gm->lock, flags);
	nth = f->nth;
	count = f->count;
	value = f->value;
	raw_spin_unlock_irqrestore(&f->gm->lock, flags);

	seq_printf(m, "%llu %lld %llu\n", nth, count, value);
	return 0;
}

static int gpu_model_fault_open(struct inode *inode, struct file *file)
{
	return single_open(file, gpu_model_fault_show, inode->i_private);
}

static ssize_t gpu_model_fault_write(struct file *file, const char __user *ubuf, size_t len, loff_t *ppos)
{
	struct gpu_model_fault *f = ((struct seq_file *)file->private_data)->private;
	char buf[80], rest;
	s64 nth, count, value;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';

	if (sscanf(buf, "%lli %lli %lli %c", &nth, &count, &value, &rest) != 3)
		return -EINVAL;
	/* Off is "0 0 0", and nothing else looks like it. */
	if (nth < 0 || count < -1 || (nth == 0) != (count == 0) || (nth == 0 && value != 0))
		return -EINVAL;

	gpu_model_fault_plant(f->gm, f - f->gm->faults, nth, count, value);
	return len;
}

static const struct file_operations gpu_model_fault_fops = {
	.owner = THIS_MODULE,
	.open = gpu_model_fault_open,
	.read = seq_read,
	.write = gpu_model_fault_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int gpu_model_device_fault_get(void *data, u64 *va)
{
	*va = gpu_model_device_fault(data);
	return 0;
}

static int gpu_model_device_fault_set(void *data, u64 va)
{
	return gpu_model_device_fault_resolve(data, va) ? 0 : -ENOENT;
}

DEFINE_DEBUGFS_ATTRIBUTE(gpu_model_device_fault_fops, gpu_model_device_fault_get, gpu_model_device_fault_set,
			 "0x%llx\n");

void gpu_model_debugfs_init(struct gpu_model *gm, struct dentry *root)
{
	struct dentry *faults, *counters;
	unsigned int i;
	char name[64];

	gm->debugfs = debugfs_create_dir(gm->desc->name, root);
	faults = debugfs_create_dir("faults", gm->debugfs);
	counters = debugfs_create_dir("counters", gm->debugfs);

	for (i = 0; gm->desc->faults[i]; i++) {
		debugfs_create_file(gm->desc->faults[i], 0600, faults, &gm->faults[i], &gpu_model_fault_fops);
		snprintf(name, sizeof(name), "fired_%s", gm->desc->faults[i]);
		debugfs_create_u64(name, 0444, counters, &gm->faults[i].fired);
	}
	for (i = 0; gm->desc->counters[i]; i++)
		debugfs_create_u64(gm->desc->counters[i], 0444, counters, &gm->counters[i]);
	if (gm->desc->device_fault)
		debugfs_create_file("device_fault", 0600, gm->debugfs, gm, &gpu_model_device_fault_fops);
	debugfs_create_u64("interrupts", 0444, counters, &gm->interrupts);
	debugfs_create_u64("unsupported", 0444, counters, &gm->unsupported);
	debugfs_create_u64("bad_accesses", 0444, counters, &gm->bad_accesses);
}
