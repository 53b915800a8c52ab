/* SPDX-License-Identifier: MIT */
#include "agent/hardware_watchdog.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/process.h"
#include "agent/ring_host.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitError = 3;
constexpr int64_t kPoll = 100 * kNsPerMs;

} // namespace

Result<HardwareWatchdog> HardwareWatchdog::arm(const Root &root, const std::string &device, uint32_t after_s)
{
	for (const std::string &file : root.glob("/sys/class/watchdog/watchdog*/nowayout"))
		if (auto text = Root().read(file); text && trimmed(*text) == "1")
			return Error{ENOTSUP, "the watchdog cannot be disarmed (nowayout)"};
	UniqueFd fd(open(root.path(device).c_str(), O_WRONLY | O_CLOEXEC)); /* armed from here on */
	if (!fd.valid())
		return Error{errno, device + ": " + strerror(errno)};
	watchdog_info info{};
	/* The largest that it takes: drivers refuse what is above their maximum (watchdog_set_timeout()). */
	int timeout_s = 0;
	for (int wanted = static_cast<int>(std::min<uint32_t>(after_s, 3600)); wanted > 0 && !timeout_s;
	     wanted = wanted * 3 / 4) {
		int value = wanted;
		if (ioctl(fd.get(), WDIOC_SETTIMEOUT, &value) == 0)
			timeout_s = value;
	}
	if (!timeout_s && ioctl(fd.get(), WDIOC_GETTIMEOUT, &timeout_s) != 0)
		timeout_s = 0;
	bool known = ioctl(fd.get(), WDIOC_GETSUPPORT, &info) == 0;
	std::string name = known ? reinterpret_cast<const char *>(info.identity) : "watchdog";
	HardwareWatchdog armed(std::move(fd), timeout_s, after_s, fmt::format("{}, {} s", name, timeout_s));
	if (timeout_s > 0)
		return armed;
	armed.disarm();
	return Error{ENOTSUP, device + ": does not say when it bites"};
}

int HardwareWatchdog::feed(const std::string &file, pid_t agent)
{
	auto ring = RingHost::open(file);
	if (!ring) {
		disarm();
		return kExitError;
	}
	mlockall(MCL_CURRENT | MCL_FUTURE);
	int64_t period = timeout_s_ * kNsPerS / 4;
	int64_t patience = std::max<int64_t>(period, (static_cast<int64_t>(after_s_) - timeout_s_) * kNsPerS);
	uint64_t seen = ring->claimed();
	int64_t now = now_ns();
	int64_t since = now;
	int64_t fed = 0;
	while (is_alive(agent)) {
		now = now_ns();
		if (ring->claimed() != seen) {
			seen = ring->claimed();
			since = now;
		}
		if (now - since < patience && now - fed > period) {
			ioctl(fd_.get(), WDIOC_KEEPALIVE, nullptr);
			fed = now;
		}
		sleep_ns(kPoll);
	}
	disarm();
	return 0;
}

void HardwareWatchdog::disarm()
{
	int off = WDIOS_DISABLECARD;
	/* Not every driver has both ways (watchdog_release() wants the V where it has WDIOF_MAGICCLOSE). */
	static_cast<void>(ioctl(fd_.get(), WDIOC_SETOPTIONS, &off));
	if (write(fd_.get(), "V", 1) == 1)
		fd_.reset();
	fd_.reset();
}

} // namespace drmsqueeze
