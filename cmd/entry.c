/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel enters the program, before the C library exists. A command that enters a
 * container has to run from a copy that the container cannot write to (CVE-2019-5736,
 * runtime/ns/exe.h), so it executes itself twice. The C library's own start costs more than the
 * execve(2): it asks some fifty CPUIDs, each of them an exit where the host is itself a virtual
 * machine. So what is cheap is tried here, and the first of the two never starts the library.
 *
 * Nothing relies on it: whatever fails here is left to exe_protect(), which also decides.
 * No function of a library may be called, no thread-local variable touched (mk/entry.mk).
 */
#include <fcntl.h>
#include <elf.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

/*
 * The strings lie among the instructions: a page fault each is saved where nothing else is read of
 * the program yet.
 */
extern const char entry_self[], entry_run[], entry_create[], entry_exec[], entry_by_fd[],
	entry_empty[];
__asm__("entry_self: .asciz \"/proc/self/exe\"\n"
	"entry_run: .asciz \"run\"\n"
	"entry_create: .asciz \"create\"\n"
	"entry_exec: .asciz \"exec\"\n"
	"entry_by_fd: .asciz \"/dev/fd/\"\n"
	"entry_empty: .asciz \"\"\n"
	".balign 16\n");

static long system_call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static bool equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return *a == *b;
}

/* True when a word is the name of a command that enters a container; may be true of others too. */
static bool may_enter_container(char **words)
{
	for (; *words != NULL; words++)
		if (equal(*words, entry_run) || equal(*words, entry_create) ||
			equal(*words, entry_exec))
			return true;
	return false;
}

static bool is_read_only(void)
{
	struct statfs st;

	st.f_flags = 0;
	return system_call(SYS_statfs, (long)entry_self, (long)&st, 0, 0, 0) == 0 &&
		st.f_flags & ST_RDONLY;
}

static void execute_read_only(char **words, char **environment)
{
	struct mount_attr attributes;
	long tree;

	tree = system_call(
		SYS_open_tree, AT_FDCWD, (long)entry_self, OPEN_TREE_CLONE | O_CLOEXEC, 0, 0);
	if (tree < 0)
		return;
	attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
	attributes.attr_clr = 0;
	attributes.propagation = 0;
	attributes.userns_fd = 0;
	if (system_call(SYS_mount_setattr, tree, (long)entry_empty, AT_EMPTY_PATH,
		    (long)&attributes, sizeof(attributes)) == 0)
		system_call(SYS_execveat, tree, (long)entry_empty, (long)words, (long)environment,
			AT_EMPTY_PATH);
	system_call(SYS_close, tree, 0, 0, 0, 0);
}

/* Executed by descriptor, the file's name is /dev/fd/N (execveat(2)): this is the second time. */
static bool is_executed_by_descriptor(char **environment)
{
	const Elf64_auxv_t *auxiliary;
	size_t length = 0;

	while (*environment != NULL)
		environment++;
	auxiliary = (const Elf64_auxv_t *)(environment + 1);
	while (auxiliary->a_type != AT_NULL && auxiliary->a_type != AT_EXECFN)
		auxiliary++;
	if (auxiliary->a_type == AT_NULL)
		return false;
	while (entry_by_fd[length] != '\0' &&
		entry_by_fd[length] == ((const char *)auxiliary->a_un.a_val)[length])
		length++;
	return entry_by_fd[length] == '\0';
}

/* `stack` is what execve(2) left: argc, the arguments, NULL, the environment, NULL, and more. */
__attribute__((used)) static void enter(uintptr_t *stack)
{
	char **words = (char **)(stack + 1);
	char **environment = words + stack[0] + 1;

	if (may_enter_container(words) && !is_executed_by_descriptor(environment) &&
		!is_read_only())
		execute_read_only(words, environment);
}

/* %rdx is an argument of _start's (the x86-64 ABI, "Process Initialization"). */
__asm__(".globl caisson_entry\n"
	".type caisson_entry, @function\n"
	"caisson_entry:\n"
	"\tmov %rsp, %rbx\n"
	"\tmov %rdx, %r12\n"
	"\tmov %rsp, %rdi\n"
	"\tand $-16, %rsp\n"
	"\tcall enter\n"
	"\tmov %rbx, %rsp\n"
	"\tmov %r12, %rdx\n"
	"\txor %ebp, %ebp\n"
	"\tjmp _start\n");

#endif
