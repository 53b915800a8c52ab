/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The lists that the model mali_utgard executes. Plain C, for the model and for the programs that write lists for it
 * (C++ too).
 *
 * Those of a Mali-400 are vertices, shaders and tiles, and what a GP or PP writes comes out of a rasteriser: no model of
 * memory management needs that. Here every list (VS, PLBU, and what the first frame register of a PP names) is a row of
 * these commands, little-endian and aligned to their size. Lists of the GP end where their register says, those of a PP
 * with LIST_END. What lima sees (registers, interrupts, page tables, heap) is as on hardware.
 */
#ifndef MALI_UTGARD_LIST_H
#define MALI_UTGARD_LIST_H

#include <linux/types.h>

struct utgard_command {
	__u32 op;	/* the kind; of UTGARD_LIST_TAKE also an offset; the GPU sets UTGARD_LIST_DONE when it has executed it */
	__u32 address;	/* where to write to; of UTGARD_LIST_TAKE how many bytes of the heap to take, in whole blocks */
	__u64 value;	/* what to write, 64 bits; of UTGARD_LIST_COPY the address where that stands */
};

#define UTGARD_LIST_KIND		0x000000ff
#define   UTGARD_LIST_END		0
#define   UTGARD_LIST_WRITE		1
#define   UTGARD_LIST_COPY		2
#define   UTGARD_LIST_TAKE		3	/* PLBU: takes heap memory as polygon lists do; VALUE goes to OFFSET of each block */
#define UTGARD_LIST_OFFSET		0x000fff00
#define UTGARD_LIST_OFFSET_SHIFT	8
#define UTGARD_LIST_DONE		0x80000000u
#define UTGARD_LIST_BLOCK		4096

#endif
