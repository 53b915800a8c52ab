/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Force-included before every file of the unmodified vmwgfx driver: QEMU's vmware-svga has no pitchlock, and without it
 * vmw_driver_load() refuses the device (-ENOSYS, "Hardware has no pitchlock"). So the driver is told that it has. Only
 * the legacy display unit would use it, and nobody sets a mode here: what the suite wants of this driver is its memory.
 *
 * Registers are reached through a pair of ports, index and value, under vmw_private.hw_lock: vmw_read() in vmwgfx_drv.h.
 * Its reads of other ports (the interrupt status) go through unchanged.
 */
#ifndef DRMSQUEEZE_SHIM_VMWGFX_H
#define DRMSQUEEZE_SHIM_VMWGFX_H

#include <linux/io.h>

/* device_include/svga_reg.h, which this header must not pull in */
#define SHIM_SVGA_REG_CAPABILITIES	17
#define SHIM_SVGA_CAP_PITCHLOCK		0x00020000

/* One for each file: the index is written and the value read in one inline function. */
static u32 shim_svga_index;
static unsigned long shim_svga_index_port;

static inline void shim_outl(u32 value, unsigned long port)
{
	shim_svga_index = value;
	shim_svga_index_port = port;
	outl(value, port);
}

static inline u32 shim_inl(unsigned long port)
{
	u32 value = inl(port);

	if (port == shim_svga_index_port + 1 && shim_svga_index == SHIM_SVGA_REG_CAPABILITIES)
		value |= SHIM_SVGA_CAP_PITCHLOCK;
	return value;
}

#undef inl
#undef outl
#define inl	shim_inl
#define outl	shim_outl

#endif
