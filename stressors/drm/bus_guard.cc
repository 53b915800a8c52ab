/* SPDX-License-Identifier: MIT */
#include "stressors/drm/bus_guard.h"

#include <csignal>
#include <mutex>

namespace drmsqueeze::bus_guard
{

thread_local sigjmp_buf *landing = nullptr;

namespace
{

/* Elsewhere than in survives_sigbus() the fault happens again at once, and then kills. */
void on_sigbus(int number)
{
	if (landing)
		siglongjmp(*landing, 1);
	signal(number, SIG_DFL);
}

} // namespace

void install()
{
	static std::once_flag once;
	std::call_once(once, [] {
		struct sigaction action {
		};
		action.sa_handler = on_sigbus;
		sigaction(SIGBUS, &action, nullptr);
	});
}

} // namespace drmsqueeze::bus_guard
