/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program of a test's guest. Says what the guest has, then does what "do=WORD" on the
 * kernel's command line asks for, then resets the machine, which is its end:
 *
 *	list	prints the platform's devices
 *	disk	prints the first line of /dev/vda, and appends one to the second sector
 *	grow	prints "ready", waits for a line "go SLOT" at the console, takes a second processor
 *and the device in that slot into use, and says what they are panic	ends, which is a panic spin
 *busy for a second on every processor
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("guest: write %s to %s: %s\n", text, path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void show_disk(void)
{
	char sector[512] = "";
	int fd = open("/dev/vda", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open("/dev/vda", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, sector, sizeof(sector)) != sizeof(sector)) {
		printf("guest: no disk: %s\n", strerror(errno));
		return;
	}
	sector[strcspn(sector, "\n")] = '\0';
	printf("guest: disk %s\n", sector);
	memset(sector, 0, sizeof(sector));
	strcpy(sector, "written by the guest\n");
	if (pwrite(fd, sector, sizeof(sector), 512) != sizeof(sector) || fsync(fd) < 0)
		printf("guest: disk cannot be written: %s\n", strerror(errno));
	close(fd);
}

static void grow(void)
{
	char line[64] = "", slot[32];
	int number;

	printf("guest: ready\n");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL || sscanf(line, "go %d", &number) != 1) {
		printf("guest: not understood: %s\n", line);
		return;
	}
	put("/sys/devices/system/cpu/cpu1/online", "1");
	printf("guest: processors now %d\n", get_nprocs());
	snprintf(slot, sizeof(slot), "virtio-mmio.%d", number);
	put("/sys/bus/platform/drivers/virtio-mmio/bind", slot);
	show_disk();
}

static void *spin(void *data)
{
	time_t end = time(NULL) + 1;
	unsigned long *count = data;

	while (time(NULL) < end)
		(*count)++;
	return NULL;
}

static void spin_everywhere(void)
{
	pthread_t threads[64];
	unsigned long counts[64] = { 0 };
	int cpus = get_nprocs(), busy = 0;

	for (int i = 0; i < cpus && i < 64; i++)
		pthread_create(&threads[i], NULL, spin, &counts[i]);
	for (int i = 0; i < cpus && i < 64; i++) {
		pthread_join(threads[i], NULL);
		busy += counts[i] != 0;
	}
	printf("guest: busy %d\n", busy);
}

static void list_devices(void)
{
	DIR *dir = opendir("/sys/bus/platform/devices");
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		printf("guest: device %s\n", entry->d_name);
	if (dir != NULL)
		closedir(dir);
}

int main(void)
{
	char command_line[4096] = "";
	struct sysinfo info;
	int fd;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	sysinfo(&info);
	printf("guest: processors %d of %ld, memory %lu MiB\n", get_nprocs(),
		sysconf(_SC_NPROCESSORS_CONF), (unsigned long)info.totalram >> 20);
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, command_line, sizeof(command_line) - 1) < 0)
		printf("guest: no command line: %s\n", strerror(errno));
	if (strstr(command_line, "do=list") != NULL)
		list_devices();
	if (strstr(command_line, "do=disk") != NULL)
		show_disk();
	if (strstr(command_line, "do=grow") != NULL)
		grow();
	if (strstr(command_line, "do=spin") != NULL)
		spin_everywhere();
	fflush(stdout);
	if (strstr(command_line, "do=panic") != NULL)
		return 3;
	sync();
	reboot(RB_AUTOBOOT);
	return 1;
}
