// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: groups. Not there yet: requests of groups are refused loudly, so the driver's own timeouts end
 * whatever is submitted. All that does not need a slot works.
 */
#include "mali_csf.h"

int csf_groups_init(struct mali_csf *csf)
{
	return 0;
}

void csf_groups_fini(struct mali_csf *csf)
{
}

void csf_groups_reset(struct mali_csf *csf)
{
}

void csf_groups_park(struct mali_csf *csf)
{
}

void csf_group_request(struct mali_csf *csf, u32 csg)
{
	gpu_model_unsupported(&csf->gm, "a request of group %u", csg);
}

void csf_user_doorbell(struct mali_csf *csf, u32 csg)
{
	gpu_model_unsupported(&csf->gm, "the doorbell of group %u", csg);
}

void csf_as_unmapped(struct mali_csf *csf, u32 as)
{
}

ktime_t csf_groups_work(struct mali_csf *csf)
{
	return KTIME_MAX;
}

void csf_groups_fault_planted(struct mali_csf *csf, enum csf_fault fault)
{
}
