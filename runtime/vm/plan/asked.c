/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/plan/asked.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "config/oci.h"
#include "config/settings.h"
#include "lib/error.h"
#include "runtime/init.h"
#include "runtime/vm/kernel/choice.h"
#include "runtime/vm/plan/size.h"

/* How containerd's CRI plugin, and how CRI-O and podman tell a pod's sandbox and containers apart.
 */
static const struct {
	const char *type, *sandbox;
} pod_annotations[] = {
	{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
	{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
};

/*
 * A pod's containers share namespaces, which those of two guests cannot. The sandbox's own machine
 * is like any other.
 */
static int check_pod(const struct oci_config *config, struct error *err)
{
	for (size_t i = 0; i < sizeof(pod_annotations) / sizeof(*pod_annotations); i++) {
		const char *type = oci_config_annotation(config, pod_annotations[i].type);
		const char *sandbox = oci_config_annotation(config, pod_annotations[i].sandbox);

		if (type != NULL && strcmp(type, "container") == 0 && sandbox != NULL)
			return error_say(err, ENOTSUP,
				"the container is one of the pod %.64s: several containers in one "
				"virtual machine are not supported yet: run the pod in namespaces "
				"(--isolation namespace)",
				sandbox);
	}
	return 0;
}

/* A container's own data chooses no file of the host's (CVE-2020-27151). */
static int check_files(
	const struct oci_vm *vm, const struct settings_vm *settings, struct error *err)
{
	const char *kernel = vm_kernel_path(settings);

	if (settings->container_paths)
		return 0;
	if (vm->kernel_path != NULL && strcmp(vm->kernel_path, kernel) != 0)
		return error_say(err, ENOTSUP,
			"vm.kernel.path: %s is not the kernel that the settings name (%s): only "
			"they choose one, unless their vm.container_paths allows it",
			vm->kernel_path, kernel);
	if (vm->kernel_initrd != NULL)
		return error_say(err, ENOTSUP,
			"vm.kernel.initrd: %s: only the settings choose what the guest boots "
			"from (vm.initrd), unless their vm.container_paths allows it",
			vm->kernel_initrd);
	return 0;
}

/* config.json's vm object (config-vm.md): what it may say here, and what nobody can honour. */
static int check_vm_object(const struct container_init *init, struct error *err)
{
	const struct oci_vm *vm = &init->config->vm;

	if (vm->hypervisor_path != NULL)
		return error_say(
			err, ENOTSUP, "vm.hypervisor: caisson is its own hypervisor: remove it");
	if (vm->image_path != NULL)
		return error_say(err, ENOTSUP,
			"vm.image: the guest boots from its initramfs; the container's root is "
			"root.path, which may be an image: remove it");
	if (vm->hw_config.device_tree != NULL || vm->hw_config.dtdevs.count > 0 ||
		vm->hw_config.n_iomems > 0 || vm->hw_config.n_irqs > 0)
		return error_say(err, ENOTSUP,
			"vm.hwConfig: only vcpus and memory can be chosen: a guest gets no "
			"hardware of the host's");
	/* Nor does a container's own data choose what the guest's kernel leaves out. */
	if (vm->kernel_parameters.count > 0)
		return error_say(err, ENOTSUP,
			"vm.kernel.parameters: only the settings choose them "
			"(vm.kernel_parameters): remove them from config.json");
	int status = vm_size_check(init->config, err);
	return status < 0 ? status : check_files(vm, init->runtime->vm, err);
}

struct settings_vm vm_asked_files(const struct container_init *init)
{
	struct settings_vm files = *init->runtime->vm;

	if (init->config->vm.kernel_path != NULL)
		files.kernel = init->config->vm.kernel_path;
	if (init->config->vm.kernel_initrd != NULL)
		files.initrd = init->config->vm.kernel_initrd;
	return files;
}

int vm_check_asked(const struct container_init *init, struct error *err)
{
	int status = check_pod(init->config, err);

	return status < 0 ? status : check_vm_object(init, err);
}
