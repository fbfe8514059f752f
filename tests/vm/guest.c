/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program of a test's guest. Says what the guest has, then does what "do=WORD" on the
 * kernel's command line asks for, then resets the machine, which is its end:
 *
 *	list	prints the platform's devices
 *	disk	prints the first line of /dev/vda, and appends one to the second sector
 *	grow	prints "ready", waits for a line "go SLOT" at the console, takes a second processor
 *		and the device in that slot into use, and says what they are, and whether memory
 *grew tools	runs /bin/guest-io of the root file system on /dev/vda panic	ends, which is a
 *panic spin	is busy for a second on every processor
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

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
	struct sysinfo before;
	bool grew = false;
	int number;

	sysinfo(&before);
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
	for (int i = 0; i < 200 && !grew; i++) {
		struct sysinfo info;

		sysinfo(&info);
		grew = info.totalram > before.totalram + (200UL << 20);
		usleep(50000);
	}
	printf("guest: memory %s\n", grew ? "grew" : "did not grow");
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

static void look_into_share(void)
{
	char text[64] = "";
	int fd;

	if (mount("share", "/run", "virtiofs", 0, NULL) < 0) {
		printf("guest: no share: %s\n", strerror(errno));
		return;
	}
	fd = open("/run/root/from-host", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		printf("guest: from-host: %s\n", strerror(errno));
	printf("guest: share %s", text);
	fd = open("/run/root/from-guest", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, "from the guest\n", 15) != 15 || fsync(fd) < 0)
		printf("guest: from-guest: %s\n", strerror(errno));
}

static void set_address(int fd, unsigned long request, const char *address)
{
	struct ifreq interface = { .ifr_name = "eth0" };
	struct sockaddr_in *in = (struct sockaddr_in *)&interface.ifr_addr;

	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	if (ioctl(fd, request, &interface) < 0)
		printf("guest: eth0 %s: %s\n", address, strerror(errno));
}

static void say_to(int fd, const struct sockaddr *address, socklen_t size, const char *text)
{
	if (connect(fd, address, size) < 0 || write(fd, text, strlen(text)) < 0)
		printf("guest: connect: %s\n", strerror(errno));
	else
		printf("guest: sent\n");
	close(fd);
}

static void use_network(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ifreq interface = { .ifr_name = "eth0", .ifr_flags = IFF_UP };
	struct sockaddr_in host = { .sin_family = AF_INET, .sin_port = htons(7777) };

	set_address(fd, SIOCSIFADDR, "10.9.0.2");
	set_address(fd, SIOCSIFNETMASK, "255.255.255.0");
	if (ioctl(fd, SIOCSIFFLAGS, &interface) < 0)
		printf("guest: eth0: %s\n", strerror(errno));
	inet_pton(AF_INET, "10.9.0.1", &host.sin_addr);
	say_to(fd, (struct sockaddr *)&host, sizeof(host), "over the tap\n");
}

static void use_vsock(void)
{
	struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_port = 7777,
		.svm_cid = VMADDR_CID_HOST,
	};

	say_to(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&host,
		sizeof(host), "over vsock\n");
}

/* The first disk is a root file system with programs, which nobody writes. */
static void run_tools(void)
{
	static const char *const kernel[] = { "proc", "sysfs", "devtmpfs", "tmpfs" };
	static const char *const places[] = { "/run/proc", "/run/sys", "/run/dev", "/run/tmp" };
	int status = 0;
	pid_t child;

	if (mount("/dev/vda", "/run", "ext4", MS_RDONLY, NULL) < 0)
		printf("guest: no tools: %s\n", strerror(errno));
	for (size_t i = 0; i < sizeof(kernel) / sizeof(kernel[0]); i++)
		if (mount(kernel[i], places[i], kernel[i], 0, NULL) < 0)
			printf("guest: %s: %s\n", places[i], strerror(errno));
	fflush(stdout);
	child = fork();
	if (child == 0) {
		setenv("PATH", "/bin", 1);
		if (chroot("/run") == 0 && chdir("/") == 0)
			execl("/bin/sh", "sh", "/bin/guest-io", (char *)NULL);
		printf("guest: no tools: %s\n", strerror(errno));
		_exit(1);
	}
	waitpid(child, &status, 0);
	if (status != 0)
		printf("guest: the tools ended with status %x\n", status);
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
	if (strstr(command_line, "do=share") != NULL)
		look_into_share();
	if (strstr(command_line, "do=net") != NULL)
		use_network();
	if (strstr(command_line, "do=vsock") != NULL)
		use_vsock();
	if (strstr(command_line, "do=tools") != NULL)
		run_tools();
	if (strstr(command_line, "do=spin") != NULL)
		spin_everywhere();
	fflush(stdout);
	if (strstr(command_line, "do=panic") != NULL)
		return 3;
	sync();
	reboot(RB_AUTOBOOT);
	return 1;
}
