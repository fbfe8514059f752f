/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel file whose text is some instructions, for guests that a test runs on the real /dev/kvm.
 */
#pragma once

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TINY_GUEST_ENTRY 0x1000000
#define TINY_GUEST_CODE_MAX 512

/* Returns an fd of it, or negative. Memory up to 64 KiB behind the entry is zero and the guest's.
 */
static inline int tiny_guest_kernel(const void *code, size_t size)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		uint8_t code[TINY_GUEST_CODE_MAX];
	} file = {
		.header = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_entry = TINY_GUEST_ENTRY,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.segment = {
			.p_type = PT_LOAD,
			.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			.p_paddr = TINY_GUEST_ENTRY,
			.p_filesz = sizeof(file.code),
			.p_memsz = 0x10000,
		},
	};
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0 || size > sizeof(file.code))
		return -1;
	memcpy(file.code, code, size);
	return write(fd, &file, sizeof(file)) == sizeof(file) ? fd : -1;
}
