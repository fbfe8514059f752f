/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program of a test's guest. Says what the guest has, then does what "do=WORD" on the
 * kernel's command line asks for, then resets the machine, which is its end:
 *
 * - list: prints the platform's devices.
 *
 * - disk: prints the first line of /dev/vda, and appends one to the second sector.
 *
 * - grow: prints "ready", waits for a line "go SLOT" at the console, takes a second processor and
 *   the device in that slot into use, and says what they are, and whether memory grew.
 *
 * - memory: uses as much memory as the console says, and frees it.
 *
 * - orders: does what the console says: see take_orders().
 *
 * - tools: runs /bin/guest-io of the root file system on /dev/vda.
 *
 * - panic: ends, which is a panic.
 *
 * - spin: is busy for a second on every processor.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

/* Lines "touch MEBIBYTES NUMBER": uses so much memory, frees it, says "done NUMBER.". */
static void use_memory(void)
{
	char line[64], command[16];
	unsigned int mebibytes, number;

	while (fgets(line, sizeof(line), stdin) != NULL &&
		sscanf(line, "%15s %u %u", command, &mebibytes, &number) == 3 &&
		strcmp(command, "touch") == 0) {
		size_t size = (size_t)mebibytes << 20;
		char *place = mmap(
			NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (place == MAP_FAILED)
			printf("guest: no %u MiB: %s\n", mebibytes, strerror(errno));
		for (size_t at = 0; place != MAP_FAILED && at < size; at += 4096)
			place[at] = 1;
		munmap(place, size);
		printf("guest: done %u.\n", number);
		fflush(stdout);
	}
	printf("guest: end\n");
}

static void sleep_a_little(void)
{
	struct timespec before, after, time = { .tv_nsec = 50000000 };

	clock_gettime(CLOCK_MONOTONIC, &before);
	nanosleep(&time, NULL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	long ms = (after.tv_sec - before.tv_sec) * 1000 +
		(after.tv_nsec - before.tv_nsec) / 1000000;
	printf("guest: slept %s\n", ms >= 50 && ms < 20000 ? "well" : "badly");
}

static void show_random(void)
{
	unsigned char bytes[16] = "";
	int fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, sizeof(bytes)) <= 0)
		printf("guest: no random bytes: %s\n", strerror(errno));
	else
		printf("guest: random bytes\n");
	if (fd >= 0)
		close(fd);
}

struct spinner {
	int cpu, cpus, seen;
	unsigned long count;
};

#define ROUNDS 200
static atomic_int token;

/*
 * Busy for a second on one processor, then hands a token to the next one, which sleeps until it
 * has it: each turn wakes another processor.
 */
static void *spin(void *data)
{
	struct spinner *spinner = data;
	time_t end = time(NULL) + 1;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(spinner->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return NULL;
	while (time(NULL) < end)
		spinner->count++;
	spinner->seen = sched_getcpu();
	for (int turn = spinner->cpu; turn < ROUNDS * spinner->cpus; turn += spinner->cpus) {
		int now;

		while ((now = atomic_load(&token)) != turn)
			syscall(SYS_futex, &token, FUTEX_WAIT, now, NULL, NULL, 0);
		atomic_store(&token, turn + 1);
		syscall(SYS_futex, &token, FUTEX_WAKE, 64, NULL, NULL, 0);
	}
	return NULL;
}

static void spin_everywhere(void)
{
	struct spinner spinners[64] = { 0 };
	pthread_t threads[64];
	int cpus = get_nprocs(), busy = 0;

	atomic_store(&token, 0);

	for (int i = 0; i < cpus && i < 64; i++) {
		spinners[i] = (struct spinner){ .cpu = i, .cpus = cpus, .seen = -1 };
		pthread_create(&threads[i], NULL, spin, &spinners[i]);
	}
	for (int i = 0; i < cpus && i < 64; i++) {
		pthread_join(threads[i], NULL);
		busy += spinners[i].count != 0 && spinners[i].seen == i;
	}
	printf("guest: busy %d\n", busy);
	if (atomic_load(&token) == ROUNDS * cpus)
		printf("guest: a token went round %d processors\n", cpus);
}

static void look_into_share(void);
static void use_vsock(void);

/* Lines "ORDER NUMBER", each of which is answered by "done NUMBER.". */
static void take_orders(void)
{
	static const struct {
		const char *name;
		void (*function)(void);
	} orders[] = { { "disk", show_disk }, { "sleep", sleep_a_little },
		{ "random", show_random }, { "spin", spin_everywhere },
		{ "share", look_into_share }, { "vsock", use_vsock } };
	char line[64], command[16];
	unsigned int number;

	while (fgets(line, sizeof(line), stdin) != NULL &&
		sscanf(line, "%15s %u", command, &number) == 2 && strcmp(command, "end") != 0) {
		for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
			if (strcmp(command, orders[i].name) == 0)
				orders[i].function();
		printf("guest: done %u.\n", number);
		fflush(stdout);
	}
	printf("guest: end\n");
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
	struct timeval patience = { .tv_sec = 20 };
	char end;

	/* The other end closes when it has everything: what is on its way ends with the machine. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, address, size) < 0 || write(fd, text, strlen(text)) < 0 ||
		shutdown(fd, SHUT_WR) < 0 || read(fd, &end, 1) < 0)
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
	if (strstr(command_line, "do=memory") != NULL)
		use_memory();
	if (strstr(command_line, "do=orders") != NULL)
		take_orders();
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
