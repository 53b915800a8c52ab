/* SPDX-License-Identifier: MIT */
/* Functions that the kernel lets fail: /sys/kernel/debug/error_injection/list (lib/error-inject.c). */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/result.h"

namespace drmsqueeze
{

inline constexpr const char *kInjectableList = "/sys/kernel/debug/error_injection/list";

/** What an injectable function returns when it fails, as ALLOW_ERROR_INJECTION() says it. */
enum class FailureReturn { null, error, error_or_null, yes };

struct Injectable {
	std::string function;
	std::string module; /* empty: the kernel itself */
	FailureReturn returns;
};

/** From @list, lines "FUNCTION[ [MODULE]]\tTYPE". ENOTSUP when @function is not there, with what is near. */
Result<Injectable> find_injectable(std::string_view list, std::string_view function);

/** "-ENOMEM", "ENOMEM" or "-12" as -12; nothing for what is no errno. */
Result<int64_t> errno_value(const std::string &text);

/**
 * The register that @function is to return: @wanted, or, when that is empty, -ENOMEM, NULL or true, as its type has it.
 * EINVAL when the kernel would not let it return that (adjust_error_retval(), kernel/fail_function.c).
 */
Result<uint64_t> injected_value(const Injectable &function, const std::string &wanted);

} // namespace drmsqueeze
