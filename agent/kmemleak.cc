/* SPDX-License-Identifier: MIT */
#include "agent/kmemleak.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kFile = "/sys/kernel/debug/kmemleak";
constexpr int64_t kMinAge = 6 * kNsPerS;
constexpr int kScans = 2;
constexpr size_t kMostText = 64 << 10; /* some fifty leaks; the kernel's log has their number */

bool scan(const Root &root)
{
	constexpr std::string_view kCommand = "scan";
	UniqueFd file(::open(root.path(kFile).c_str(), O_WRONLY | O_CLOEXEC));
	return file.valid() && write(file.get(), kCommand.data(), kCommand.size()) > 0;
}

} // namespace

std::string scan_for_leaks(const Root &root, const std::function<void()> &alive)
{
	if (!root.exists(kFile))
		return {};
	sleep_ns(kMinAge);
	for (int i = 0; i < kScans; i++) {
		alive();
		if (!scan(root)) /* kmemleak=off, or it ran out of memory for itself */
			return {};
	}
	alive();
	auto report = root.read(kFile);
	if (!report)
		return {};
	return report->empty() ? "no unreferenced objects\n" : report->substr(0, kMostText);
}

} // namespace drmsqueeze
