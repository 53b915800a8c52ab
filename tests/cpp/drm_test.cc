/* SPDX-License-Identifier: MIT */
/* Owners by identity: a recycled descriptor number must not pass for the old one, so inodes are compared. */
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <type_traits>

#include "agent/unique_fd.h"
#include "stressors/drm/gem.h"
#include "stressors/drm/mapping.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{
namespace
{

ino_t inode_of(int fd)
{
	struct stat info {
	};
	return fstat(fd, &info) == 0 ? info.st_ino : 0;
}

UniqueFd new_file()
{
	return UniqueFd(memfd_create("drmsqueeze-test", MFD_CLOEXEC));
}

template <typename T>
constexpr bool kMovesOnly = !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
			    std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;

TEST(Owners, MoveOnlyAndMovesDoNotThrow)
{
	EXPECT_TRUE(kMovesOnly<UniqueFd>);
	EXPECT_TRUE(kMovesOnly<Mapping>);
	EXPECT_TRUE(kMovesOnly<GemHandle>);
	EXPECT_TRUE(kMovesOnly<Syncobj>);
	EXPECT_TRUE(kMovesOnly<SyncFile>);
}

TEST(UniqueFd, MoveKeepsTheFile)
{
	UniqueFd one = new_file();
	ino_t inode = inode_of(one.get());
	int number = one.get();
	UniqueFd other(std::move(one));
	EXPECT_EQ(other.get(), number);
	EXPECT_EQ(inode_of(other.get()), inode);
}

TEST(UniqueFd, AssignmentClosesTheOldFile)
{
	UniqueFd one = new_file();
	UniqueFd other = new_file();
	int old = one.get();
	ino_t old_inode = inode_of(old);
	ino_t kept = inode_of(other.get());
	one = std::move(other);
	EXPECT_EQ(inode_of(one.get()), kept);
	EXPECT_NE(inode_of(old), old_inode);
}

TEST(UniqueFd, ReleaseGivesItAway)
{
	int number = -1;
	ino_t inode = 0;
	{
		UniqueFd one = new_file();
		inode = inode_of(one.get());
		number = one.release();
		EXPECT_FALSE(one.valid());
	}
	EXPECT_EQ(inode_of(number), inode);
	UniqueFd closer(number);
}

TEST(Mapping, OutlivesTheDescriptorAndUnmapsOnce)
{
	UniqueFd file = new_file();
	constexpr uint64_t kBytes = 4096;
	ASSERT_EQ(ftruncate(file.get(), kBytes), 0);
	uint64_t value = 42;
	ASSERT_EQ(pwrite(file.get(), &value, sizeof(value), 8), 8);
	auto mapping = Mapping::create(file.get(), 0, kBytes, PROT_READ);
	ASSERT_TRUE(mapping);
	file.reset();
	EXPECT_EQ(mapping->load64(8), 42U);
	char *where = mapping->data();
	Mapping moved(std::move(*mapping));
	EXPECT_EQ(moved.data(), where);
	EXPECT_EQ(moved.load64(8), 42U);
	moved = Mapping();
	unsigned char resident = 0;
	EXPECT_EQ(mincore(where, kBytes, &resident), -1);
	EXPECT_EQ(errno, ENOMEM);
}

TEST(Mapping, ErrnoIsKept)
{
	auto mapping = Mapping::create(-1, 0, 4096, PROT_READ);
	ASSERT_FALSE(mapping);
	EXPECT_EQ(mapping.error().code, EBADF);
}

TEST(SyncFile, ErrnoIsKept)
{
	EXPECT_EQ(SyncFile(new_file()).status().error().code, ENOTTY);
}

} // namespace
} // namespace drmsqueeze
