// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU models, shared part: firmware for drivers on a kernel without CONFIG_FW_LOADER (see the shim).
 *
 * As request_firmware() does, without its other places and without its cache: the file NAME below /lib/firmware.
 */
#include <linux/device.h>
#include <linux/firmware.h>
#include <linux/kernel_read_file.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "gpu_model.h"

int gpu_model_request_firmware(const struct firmware **fw, const char *name, struct device *dev)
{
	struct firmware *loaded = kzalloc(sizeof(*loaded), GFP_KERNEL);
	char *path = kasprintf(GFP_KERNEL, "/lib/firmware/%s", name);
	void *data = NULL;
	ssize_t ret = -ENOMEM;

	if (loaded && path)
		ret = kernel_read_file_from_path(path, 0, &data, INT_MAX, &loaded->size, READING_FIRMWARE);
	kfree(path);
	if (ret < 0) {
		dev_warn(dev, "firmware %s: error %zd\n", name, ret);
		kfree(loaded);
		*fw = NULL;
		return ret;
	}
	loaded->data = data;
	*fw = loaded;
	return 0;
}
EXPORT_SYMBOL_GPL(gpu_model_request_firmware);

void gpu_model_release_firmware(const struct firmware *fw)
{
	if (!fw)
		return;
	vfree(fw->data);
	kfree(fw);
}
EXPORT_SYMBOL_GPL(gpu_model_release_firmware);
