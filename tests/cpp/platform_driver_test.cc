/* SPDX-License-Identifier: MIT */
#include "stressors/drm/platform_driver.h"

#include <cerrno>
#include <filesystem>
#include <gtest/gtest.h>

#include "tests/cpp/temporary_root.h"

namespace drmsqueeze
{
namespace
{

constexpr const char *kDriver = "/sys/bus/platform/drivers/panthor";
constexpr const char *kDevice = "/sys/devices/platform/fb000000.gpu";

class PlatformDriverTest : public testing::Test
{
protected:
	PlatformDriverTest()
	{
		for (const char *file : {"/bind", "/unbind", "/uevent"})
			tree_.write(std::string(kDriver) + file, "");
		std::filesystem::create_directories(tree_.path("/sys/module/panthor"));
		std::filesystem::create_directories(tree_.path(kDevice));
		link("/sys/module/panthor", std::string(kDriver) + "/module");
	}

	void link(const std::string &target, const std::string &name) const
	{
		std::filesystem::create_directory_symlink(tree_.path(target), tree_.path(name));
	}

	TemporaryRoot tree_;
};

TEST_F(PlatformDriverTest, BindsTheDeviceThatItHasUnbound)
{
	link(kDevice, std::string(kDriver) + "/fb000000.gpu");
	link(kDriver, std::string(kDevice) + "/driver");
	auto driver = PlatformDriver::find(tree_.root(), "panthor");
	ASSERT_TRUE(driver);
	EXPECT_EQ(driver->unbind(), 0);
	EXPECT_EQ(tree_.read(std::string(kDriver) + "/unbind"), "fb000000.gpu");
	/* As the kernel does it, and not only for the process that has unbound it. */
	std::filesystem::remove(tree_.path(std::string(kDriver) + "/fb000000.gpu"));
	std::filesystem::remove(tree_.path(std::string(kDevice) + "/driver"));
	EXPECT_EQ(driver->bind(), 0);
	EXPECT_EQ(tree_.read(std::string(kDriver) + "/bind"), "fb000000.gpu");
}

TEST_F(PlatformDriverTest, AModuleIsNoDevice)
{
	auto driver = PlatformDriver::find(tree_.root(), "panthor");
	ASSERT_FALSE(driver);
	EXPECT_EQ(driver.error().code, ENODEV);
	EXPECT_FALSE(PlatformDriver::find(tree_.root(), "panfrost"));
}

} // namespace
} // namespace drmsqueeze
