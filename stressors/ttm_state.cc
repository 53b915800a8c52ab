/* SPDX-License-Identifier: MIT */
#include "stressors/ttm_state.h"

#include <fmt/format.h>

#include "agent/gem_formats.h"
#include "agent/sampler.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kDirectory = "/sys/kernel/debug/ttm";
constexpr const char *kSwapOut = "/sys/kernel/debug/ttm/tt_shrink";

/*
 * qxl_ttm.c, drm_gem_vram_helper.c, vmwgfx_drv.c. bochs makes dumb buffers in system memory, and vmwgfx takes that
 * where its VRAM is full.
 */
constexpr struct {
	const char *file;
	bool new_evicts;
} kVramManagers[] = {{"qxl_mem_mm", true}, {"vram-mm", false}, {"vram_ttm", false}};

std::optional<int64_t> value_of(const std::string &text, std::string_view line, std::string_view field)
{
	int64_t value = 0;
	return find_value(text, line, field, 1, value) ? std::optional(value) : std::nullopt;
}

} // namespace

std::optional<int64_t> manager_usage(const std::string &text)
{
	return value_of(text, "  usage:", "");
}

std::string TtmFiles::missing() const
{
	return root_.exists(kDirectory) ? "" : fmt::format("{} is missing: no driver here uses TTM", kDirectory);
}

TtmState TtmFiles::read() const
{
	constexpr int64_t kKib = 1024;
	TtmState state;
	auto take = [this](const char *file, auto parse) -> int64_t {
		auto text = root_.read(file);
		return text ? parse(*text).value_or(0) : 0;
	};
	state.buffer_objects = take("/sys/kernel/debug/ttm/buffer_objects",
				    [](const std::string &text) { return value_of(text, "", ""); });
	state.pool_pages = take("/sys/kernel/debug/ttm/page_pool", [](const std::string &text) {
		auto pool = parse_page_pool(text);
		return pool ? std::optional(static_cast<int64_t>(pool->pages)) : std::nullopt;
	});
	state.shmem_kib = take("/proc/meminfo", [](const std::string &text) { return value_of(text, "Shmem:", ""); });
	state.vram_kib = vram_bytes() / kKib;
	return state;
}

int64_t TtmFiles::vram_bytes() const
{
	auto text = vram_.empty() ? Error{ENOENT, ""} : root_.read(vram_);
	return text ? manager_usage(*text).value_or(0) : 0;
}

Result<uint64_t> TtmFiles::swap_out() const
{
	auto text = root_.read(kSwapOut);
	if (!text)
		return text.error();
	return parse_tt_shrink(*text);
}

std::string vram_manager(const Root &root, unsigned minor)
{
	for (const auto &manager : kVramManagers) {
		std::string path = fmt::format("/sys/kernel/debug/dri/{}/{}", minor, manager.file);
		if (root.exists(path))
			return path;
	}
	return "";
}

bool new_evicts(std::string_view vram_manager)
{
	for (const auto &manager : kVramManagers)
		if (vram_manager.ends_with(manager.file))
			return manager.new_evicts;
	return false;
}

} // namespace drmsqueeze
