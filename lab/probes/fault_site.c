// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where fault injection let an allocation fail. The kernel's own message is silenced by __GFP_NOWARN and limited in
 * rate; an error-path sweep needs the stack of every one.
 *
 * A return probe on should_fail_ex() (lib/fault-inject.c) keeps the stack of each allocation that a task's fail-nth
 * counted, and whether it was the one that failed. With fail-nth larger than any number of allocations nothing fails,
 * and the records are the list of all places where a step allocates.
 *
 * Below /sys/kernel/debug/drmsqueeze/fault_site/:
 *   passed  all records since the last reset, one in each line:
 *             LEFT FIRED PID SIZE FUNCTION<FUNCTION<...
 *           LEFT is what fail-nth came to, FIRED 0 or 1, SIZE the object's bytes (slab) or the number of pages;
 *           the innermost function comes first, one of a module as NAME[MODULE].
 *   fired   the same, only of those that failed
 *   lost    how many records found no room
 *   reset   anything written here forgets all records
 *   spared  names of functions, with a space between them, "-" for none: what is allocated below them does not count,
 *           so it does not fail
 */
#include <linux/debugfs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define SITE_RECORDS	2048
#define SITE_DEPTH	28

#define SITE_SPARED	256
#define SITE_NONE	"-"

/* Tasks between the entry of should_fail_ex() and its return: it does not sleep. */
#define SITE_ACTIVE	64

struct site_record {
	unsigned long frames[SITE_DEPTH];
	unsigned int depth;
	unsigned int left;
	size_t size;
	pid_t pid;
	bool fired;
};

static DEFINE_RAW_SPINLOCK(site_lock);
static struct site_record *site_records;	/* protected by site_lock */
static unsigned int site_count;			/* protected by site_lock */
static u32 site_lost;				/* protected by site_lock */

static char site_spared[SITE_SPARED] = SITE_NONE;	/* changed while nobody is armed */

static struct dentry *site_root, *site_debugfs;

struct site_call {
	unsigned int armed;
	size_t size;
	bool spared;
};

static bool site_lists(const char *function)
{
	size_t length = strcspn(function, " .");	/* "NAME.isra.0 [MODULE]" */
	const char *word = site_spared;

	while (*word) {
		size_t end = strcspn(word, " ");

		if (end == length && !strncmp(word, function, length))
			return true;
		word += end;
		word += strspn(word, " ");
	}
	return false;
}

static bool site_is_spared(void)
{
	unsigned long frames[SITE_DEPTH];
	char function[KSYM_SYMBOL_LEN];
	unsigned int depth, i;

	if (!strcmp(site_spared, SITE_NONE))
		return false;
	depth = stack_trace_save(frames, SITE_DEPTH, 0);
	for (i = 0; i < depth; i++) {
		sprint_symbol_no_offset(function, frames[i]);
		if (site_lists(function))
			return true;
	}
	return false;
}

/* Not 0: this call is of no interest, and its return is not looked at. */
static int site_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct site_call *call = (void *)instance->data;

	if (!in_task() || !READ_ONCE(current->fail_nth))
		return 1;
	call->armed = current->fail_nth;
	call->size = regs_get_kernel_argument(regs, 1);
	call->spared = site_is_spared();
	if (call->spared)	/* until it returns */
		WRITE_ONCE(current->fail_nth, 0);
	return 0;
}
NOKPROBE_SYMBOL(site_entry);

static int site_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct site_call *call = (void *)instance->data;
	unsigned int left = READ_ONCE(current->fail_nth);
	struct site_record *record;
	unsigned long flags;

	if (call->spared) {
		WRITE_ONCE(current->fail_nth, call->armed);
		return 0;
	}

	/* The stack filter was against it: not counted. */
	if (left == call->armed)
		return 0;

	raw_spin_lock_irqsave(&site_lock, flags);
	if (site_count < SITE_RECORDS) {
		record = &site_records[site_count++];
		record->depth = stack_trace_save(record->frames, SITE_DEPTH, 0);
		record->left = left;
		record->size = call->size;
		record->pid = current->pid;
		record->fired = regs_return_value(regs) & 1;
	} else {
		site_lost++;
	}
	raw_spin_unlock_irqrestore(&site_lock, flags);
	return 0;
}
NOKPROBE_SYMBOL(site_return);

static struct kretprobe site_probe = {
	.kp.symbol_name = "should_fail_ex",
	.entry_handler = site_entry,
	.handler = site_return,
	.data_size = sizeof(struct site_call),
	.maxactive = SITE_ACTIVE,
};

/*
 * Records are only ever added until a reset, and the reader is the one who resets: no lock is held while text is made.
 */
static void site_show(struct seq_file *file, bool fired_only)
{
	unsigned int count = READ_ONCE(site_count);
	unsigned int i, frame;

	for (i = 0; i < count; i++) {
		const struct site_record *record = &site_records[i];

		if (fired_only && !record->fired)
			continue;
		seq_printf(file, "%u %d %d %zu ", record->left, record->fired, record->pid, record->size);
		for (frame = 0; frame < record->depth; frame++)
			seq_printf(file, "%s%ps", frame ? "<" : "", (void *)record->frames[frame]);
		seq_putc(file, '\n');
	}
}

static int passed_show(struct seq_file *file, void *data)
{
	site_show(file, false);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(passed);

static int fired_show(struct seq_file *file, void *data)
{
	site_show(file, true);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(fired);

static ssize_t site_reset(struct file *file, const char __user *text, size_t count, loff_t *offset)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&site_lock, flags);
	site_count = 0;
	site_lost = 0;
	raw_spin_unlock_irqrestore(&site_lock, flags);
	return count;
}

static const struct file_operations site_reset_fops = {
	.owner = THIS_MODULE,
	.write = site_reset,
};

static int spared_show(struct seq_file *file, void *data)
{
	seq_printf(file, "%s\n", site_spared);
	return 0;
}

static int spared_open(struct inode *inode, struct file *file)
{
	return single_open(file, spared_show, NULL);
}

static ssize_t spared_write(struct file *file, const char __user *text, size_t count, loff_t *offset)
{
	char names[SITE_SPARED] = {};

	if (count >= sizeof(names))
		return -EINVAL;
	if (copy_from_user(names, text, count))
		return -EFAULT;
	strscpy(site_spared, strim(names), sizeof(site_spared));
	if (!site_spared[0])
		strscpy(site_spared, SITE_NONE, sizeof(site_spared));
	return count;
}

static const struct file_operations spared_fops = {
	.owner = THIS_MODULE,
	.open = spared_open,
	.read = seq_read,
	.write = spared_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init site_init(void)
{
	struct dentry *root;
	int ret;

	site_records = vzalloc(array_size(SITE_RECORDS, sizeof(*site_records)));
	if (!site_records)
		return -ENOMEM;

	ret = register_kretprobe(&site_probe);
	if (ret) {
		vfree(site_records);
		return ret;
	}

	/* A GPU model's directory, where there is one; else our own. */
	root = debugfs_lookup("drmsqueeze", NULL);
	if (root)
		dput(root);
	else
		root = site_root = debugfs_create_dir("drmsqueeze", NULL);
	site_debugfs = debugfs_create_dir("fault_site", root);
	debugfs_create_file("passed", 0400, site_debugfs, NULL, &passed_fops);
	debugfs_create_file("fired", 0400, site_debugfs, NULL, &fired_fops);
	debugfs_create_u32("lost", 0400, site_debugfs, &site_lost);
	debugfs_create_file("reset", 0200, site_debugfs, NULL, &site_reset_fops);
	debugfs_create_file("spared", 0600, site_debugfs, NULL, &spared_fops);
	return 0;
}
module_init(site_init);

static void __exit site_exit(void)
{
	debugfs_remove_recursive(site_debugfs);
	debugfs_remove(site_root);
	unregister_kretprobe(&site_probe);
	vfree(site_records);
}
module_exit(site_exit);

MODULE_DESCRIPTION("For drmsqueeze: where fault injection let an allocation fail");
MODULE_LICENSE("GPL");
