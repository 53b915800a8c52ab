/* SPDX-License-Identifier: MIT */
#include <fstream>
#include <gmock/gmock.h>
#include <set>
#include <thread>

#include "agent/awaited.h"
#include "agent/ring_source.h"
#include "local_ring.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

TEST(Awaited, RingIsLaidOutOnceItsMagicIsThere)
{
	LocalRing ring(1);
	EXPECT_TRUE(laid_out(ring.header()));
	ring.header().magic[7] = '2';
	EXPECT_FALSE(laid_out(ring.header()));
	EXPECT_FALSE(laid_out(RingHeader{}));
}

TEST(Awaited, EverySeedGivesBytesOfItsOwn)
{
	EXPECT_EQ(seed_bytes(7), seed_bytes(7));
	std::set<std::array<uint32_t, 16>> seen;
	for (uint64_t seed = 0; seed < 100; seed++) {
		seen.insert(seed_bytes(seed));
		seen.insert(seed_bytes(seed << 32 | 0x80000000));
	}
	EXPECT_EQ(seen.size(), 200U);
}

TEST(Awaited, ReturnsWhenTheHostHasLaidOutTheRing)
{
	TemporaryRoot root;
	LocalRing ring(1, "{}");
	std::string file = root.root().path("/ring");
	std::ofstream(file) << std::string(ring.bytes(), '\0');
	auto memory = map_ring(file);
	ASSERT_TRUE(memory);
	std::atomic<bool> returned = false;
	std::thread waits([&] {
		EXPECT_EQ(await_request(file), 0);
		returned = true;
	});
	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	EXPECT_FALSE(returned);
	auto *bytes = reinterpret_cast<const char *>(&ring.header());
	memcpy(static_cast<char *>(memory->base) + sizeof(kRingMagic), bytes + sizeof(kRingMagic),
	       ring.bytes() - sizeof(kRingMagic));
	memcpy(memory->base, bytes, sizeof(kRingMagic));
	waits.join();
}

TEST(Awaited, SaysThatThereIsNoRing)
{
	EXPECT_EQ(await_request("/none"), 3);
}

} // namespace
} // namespace drmsqueeze
