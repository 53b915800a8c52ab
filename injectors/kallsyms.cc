/* SPDX-License-Identifier: MIT */
#include "injectors/kallsyms.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kPage = 4096;

uint64_t end_of_page(uint64_t address)
{
	return (address / kPage + 1) * kPage;
}

bool is_function_or_clone(std::string_view symbol, std::string_view name)
{
	if (!symbol.starts_with(name))
		return false;
	std::string_view suffix = symbol.substr(name.size());
	return suffix.empty() || suffix.starts_with(".isra.") || suffix.starts_with(".constprop.");
}

} // namespace

Result<Kallsyms> Kallsyms::parse(std::string_view text)
{
	Kallsyms symbols;
	bool hidden = false;
	while (!text.empty()) {
		size_t length = text.find('\n');
		std::string_view line = text.substr(0, length);
		text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);

		Symbol symbol{};
		auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), symbol.address, 16);
		if (error != std::errc() || line.data() + line.size() - stop < 4)
			continue;
		char type = stop[1];
		if (type != 't' && type != 'T' && type != 'w' && type != 'W')
			continue;
		hidden |= symbol.address == 0;
		std::string_view rest(stop + 3, static_cast<size_t>(line.data() + line.size() - stop) - 3);
		size_t tab = rest.find('\t');
		symbol.name = rest.substr(0, tab);
		if (tab != std::string_view::npos && rest.size() > tab + 3)
			symbol.module = rest.substr(tab + 2, rest.size() - tab - 3);
		symbols.text_.push_back(std::move(symbol));
	}
	if (hidden && std::all_of(symbols.text_.begin(), symbols.text_.end(), [](auto &s) { return s.address == 0; }))
		return Error{EPERM, "/proc/kallsyms shows no addresses (kptr_restrict)"};
	std::stable_sort(symbols.text_.begin(), symbols.text_.end(),
			 [](const Symbol &a, const Symbol &b) { return a.address < b.address; });
	return symbols;
}

Result<TextRange> Kallsyms::function(std::string_view name) const
{
	auto matches = [name](const Symbol &symbol) { return is_function_or_clone(symbol.name, name); };
	auto found = std::find_if(text_.begin(), text_.end(), matches);
	if (found == text_.end())
		return Error{ENOENT, "function " + std::string(name) + " is not in /proc/kallsyms"};
	if (std::find_if(found + 1, text_.end(), matches) != text_.end())
		return Error{ENOTUNIQ, "function " + std::string(name) + " is in /proc/kallsyms more than once"};
	auto next = std::find_if(found + 1, text_.end(), [&](const Symbol &symbol) {
		return symbol.module == found->module && symbol.address > found->address;
	});
	return TextRange{found->address, next == text_.end() ? end_of_page(found->address) : next->address};
}

Result<TextRange> Kallsyms::module(std::string_view name) const
{
	TextRange range{UINT64_MAX, 0};
	for (const Symbol &symbol : text_) {
		if (symbol.module != name)
			continue;
		range.begin = std::min(range.begin, symbol.address);
		range.end = std::max(range.end, end_of_page(symbol.address));
	}
	if (range.end == 0)
		return Error{ENOENT, "module " + std::string(name) + " has no text in /proc/kallsyms"};
	return range;
}

} // namespace drmsqueeze
