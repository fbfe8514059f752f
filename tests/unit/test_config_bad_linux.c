/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents that are refused, and the line that says why: the members of `linux`. Quotes are
 * written ' here.
 */
#include "tests/unit/refusals.h"

static const struct refusal linux_refusals[] = {
	{ TOP, "'linux':[]", "linux: expected an object" },
	{ LINUX, "'namespaces':{}", "linux.namespaces: expected an array" },
	{ LINUX, "'namespaces':[{}]", "linux.namespaces[0].type: required" },
	{ LINUX, "'namespaces':[{'type':'net'}]",
		"linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, "
		"cgroup, time, found \"net\"" },
	{ LINUX, "'namespaces':[{'type':'pid'},{'type':'pid'}]",
		"linux.namespaces[1].type: this type of namespace is given twice" },
	{ LINUX, "'namespaces':[{'type':'pid','path':'proc/1/ns/pid'}]",
		"linux.namespaces[0].path: expected an absolute path" },
	{ LINUX, "'uidMappings':[{'containerID':0,'hostID':0}]",
		"linux.uidMappings[0].size: required" },
	{ LINUX, "'uidMappings':[{'hostID':0,'size':1}]",
		"linux.uidMappings[0].containerID: required" },
	{ LINUX, "'uidMappings':[{'containerID':0,'size':1}]",
		"linux.uidMappings[0].hostID: required" },
	{ LINUX, "'uidMappings':[{'containerID':0,'hostID':0,'size':0}]",
		"linux.uidMappings[0].size: " INTEGER_RANGE(1, 4294967295, 0) },
	{ LINUX, "'uidMappings':[{'containerID':1,'hostID':0,'size':4294967295}]",
		"linux.uidMappings[0].containerID: 1 plus size 4294967295 reaches beyond the last "
		"id" },
	{ LINUX, "'uidMappings':[{'containerID':0,'hostID':4294967290,'size':6}]",
		"linux.uidMappings[0].hostID: 4294967290 plus size 6 reaches beyond the last id" },
	{ LINUX,
		"'gidMappings':[{'containerID':0,'hostID':0,'size':10},{'containerID':9,'hostID':"
		"50,"
		"'size':1}]",
		"linux.gidMappings: containerID 9 is in two entries" },
	{ LINUX,
		"'gidMappings':[{'containerID':0,'hostID':5,'size':10},{'containerID':20,'hostID':"
		"0,"
		"'size':6}]",
		"linux.gidMappings: hostID 5 is in two entries" },
	{ LINUX, "'uidMappings':[{'containerID':0,'hostID':0,'size':1}]",
		"linux.gidMappings: required, because" },
	{ LINUX, "'gidMappings':[{'containerID':0,'hostID':0,'size':1}]",
		"linux.uidMappings: required, because" },
	{ LINUX,
		"'uidMappings':[{'containerID':0,'hostID':0,'size':1}],'gidMappings':[{'"
		"containerID':0,"
		"'hostID':0,'size':1}]",
		"linux.uidMappings: needs a namespace of type \"user\"" },
	{ LINUX, "'timeOffsets':{'boottime':{'secs':1}}",
		"linux.timeOffsets: needs a namespace of" },
	{ LINUX, "'namespaces':[{'type':'time','path':'/p'}],'timeOffsets':{'boottime':{'secs':1}}",
		"linux.timeOffsets: cannot be set in a time namespace that is joined" },
	{ LINUX, "'timeOffsets':{'monotonic':{'nanosecs':1000000000}}",
		"linux.timeOffsets.monotonic.nanosecs: " INTEGER_RANGE(0, 999999999, 1000000000) },
	{ LINUX, "'timeOffsets':{'monotonic':{'secs':9223372036854775808}}",
		"linux.timeOffsets.monotonic.secs: expected an integer from -9223372036854775808" },
	{ LINUX, "'timeOffsets':{'realtime':{}}",
		"linux.timeOffsets.realtime: no clock of a time" },
	{ LINUX, "'devices':[{'type':'c','major':1,'minor':3}]",
		"linux.devices[0].path: required" },
	{ LINUX, "'devices':[{'path':'/dev/x','major':1,'minor':3}]",
		"linux.devices[0].type: required" },
	{ LINUX, "'devices':[{'path':'dev/x','type':'c','major':1,'minor':3}]",
		"linux.devices[0].path: expected an absolute path" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'d','major':1,'minor':3}]",
		"linux.devices[0].type: expected one of c, b, u, p, found \"d\"" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','minor':3}]",
		"linux.devices[0].major: required for a device of type 'c'" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'b','major':3}]",
		"linux.devices[0].minor: required for a device of type 'b'" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','major':-1,'minor':3}]",
		"linux.devices[0].major: " INTEGER_RANGE(0, 4095, -1) },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','major':1,'minor':1048576}]",
		"linux.devices[0].minor: " INTEGER_RANGE(0, 1048575, 1048576) },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','major':1,'minor':3,'fileMode':65536}]",
		"linux.devices[0].fileMode: " INTEGER_RANGE(0, 65535, 65536) },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','major':1,'minor':3,'fileMode':25008}]",
		"linux.devices[0].fileMode: 25008 (octal 60660) has the file type of something "
		"else" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'p','uid':4294967295}]",
		"linux.devices[0].uid: expected an integer from 0 to 4294967294" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'p','gid':-1}]",
		"linux.devices[0].gid: expected" },
	{ LINUX, "'netDevices':{'eth0':{'name':23}}",
		"linux.netDevices.eth0.name: expected a string" },
	{ LINUX, "'netDevices':[]", "linux.netDevices: expected an object" },
	{ LINUX, "'netDevices':{'eth0':{}}", "linux.netDevices: needs a namespace of type" },
	{ LINUX, "'netDevices':{'a234567890123456':{}}",
		"linux.netDevices.a234567890123456: expected the key to be a network device's "
		"name" },
	{ LINUX, "'netDevices':{'':{}}", "linux.netDevices[\"\"]: expected the key" },
	{ LINUX, "'netDevices':{'a/b':{}}", "linux.netDevices[\"a/b\"]: expected the key" },
	{ LINUX, "'netDevices':{'a':{'name':'..'}}",
		"linux.netDevices.a.name: expected a network" },
	{ LINUX, "'netDevices':{'a':{'name':'b:c'}}",
		"linux.netDevices.a.name: expected a network" },
	{ LINUX, "'netDevices':{'a':{'name':'b c'}}",
		"linux.netDevices.a.name: expected a network" },
	{ LINUX, "'netDevices':{'a':{'name':'%s'}}",
		"linux.netDevices.a.name: expected a network" },
	{ LINUX, "'netDevices':{'a':{'name':'%d%d'}}",
		"linux.netDevices.a.name: expected a network" },
	{ LINUX, "'namespaces':[{'type':'network'}],'netDevices':{'a':{'name':'x'},'x':{}}",
		"linux.netDevices.x.name: \"x\" is the name of \"a\" too" },
	{ LINUX, "'cgroupsPath':1", "linux.cgroupsPath: expected a string" },
	{ LINUX, "'intelRdt':{'closID':'a/b'}",
		"linux.intelRdt.closID: expected a directory's name" },
	{ LINUX, "'intelRdt':{'closID':'..'}",
		"linux.intelRdt.closID: expected a directory's name" },
	{ LINUX, "'intelRdt':{'memBwSchema':'L3:0=1'}",
		"linux.intelRdt.memBwSchema: expected one line" },
	{ LINUX, "'intelRdt':{'memBwSchema':'MB:0=1\\nL3:0=1'}",
		"linux.intelRdt.memBwSchema: expected" },
	{ LINUX, "'intelRdt':{'l3CacheSchema':'L3:0=1\\nMB:0=1'}",
		"linux.intelRdt.l3CacheSchema: exp" },
	{ LINUX, "'intelRdt':{'schemata':['a','b\\nc']}",
		"linux.intelRdt.schemata[1]: expected one line" },
	{ LINUX, "'intelRdt':{'enableMonitoring':1}",
		"linux.intelRdt.enableMonitoring: expected true" },
	{ LINUX, "'memoryPolicy':{}", "linux.memoryPolicy.mode: required" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_X'}",
		"linux.memoryPolicy.mode: expected one of MPOL_" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_DEFAULT','nodes':'0'}",
		"linux.memoryPolicy.nodes: MPOL_DEFAULT and MPOL_LOCAL take no nodes" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_LOCAL','flags':['MPOL_F_STATIC_NODES']}",
		"linux.memoryPolicy.flags: MPOL_DEFAULT and MPOL_LOCAL take no flags" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND'}",
		"linux.memoryPolicy.nodes: this mode needs" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0-'}",
		"linux.memoryPolicy.nodes: expected a list of numbers" },
	{ LINUX,
		"'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0','flags':['MPOL_F_STATIC_NODES',"
		"'MPOL_F_RELATIVE_NODES']}",
		"linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_PREFERRED','flags':['MPOL_F_STATIC_NODES']}",
		"linux.memoryPolicy.nodes: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES need "
		"nodes" },
	{ LINUX,
		"'memoryPolicy':{'mode':'MPOL_INTERLEAVE','nodes':'0','flags':["
		"'MPOL_F_NUMA_BALANCING']}",
		"linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING goes with" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0','flags':['X']}",
		"linux.memoryPolicy.flags[0]: expected one of MPOL_F_NUMA_BALANCING" },
	{ LINUX, "'sysctl':{'net.ipv4.ip_forward':1}",
		"linux.sysctl[\"net.ipv4.ip_forward\"]: expected a string, found a number" },
	{ LINUX, "'sysctl':{'net.ipv4.ip_forward':'1'}",
		"linux.sysctl[\"net.ipv4.ip_forward\"]: would be set for the host: "
		"linux.namespaces "
		"has no entry of type network" },
	{ LINUX, "'sysctl':{'net/ipv4/conf/eth0.1/forwarding':'1'}",
		"linux.sysctl[\"net/ipv4/conf/" },
	{ LINUX, "'sysctl':{'kernel.shmmax':'1'}",
		"linux.sysctl[\"kernel.shmmax\"]: would be set" },
	{ LINUX, "'sysctl':{'kernel/msgmax':'1'}",
		"linux.sysctl[\"kernel/msgmax\"]: would be set" },
	{ LINUX, "'sysctl':{'fs.mqueue.msg_max':'1'}",
		"linux.sysctl[\"fs.mqueue.msg_max\"]: would be" },
	{ LINUX, "'sysctl':{'kernel.domainname':'x'}",
		"linux.sysctl[\"kernel.domainname\"]: would be" },
	{ LINUX, "'sysctl':{'user.max_user_namespaces':'1'}",
		"linux.sysctl[\"user.max_user_namespaces\"]" },
	{ LINUX, "'namespaces':[{'type':'ipc'}],'sysctl':{'kernel.shmmaxx':'1'}",
		"linux.sysctl[\"kernel.shmmaxx\"]: belongs to no namespace" },
	{ LINUX, "'sysctl':{'vm.swappiness':'1'}",
		"linux.sysctl[\"vm.swappiness\"]: belongs to no" },
	{ LINUX, "'sysctl':{'kernel.core_pattern':'|x'}",
		"linux.sysctl[\"kernel.core_pattern\"]: belongs" },
	{ LINUX, "'sysctl':{'net':'1'}",
		"linux.sysctl.net: expected the key to be a sysctl's name" },
	{ LINUX, "'sysctl':{'net..x':'1'}", "linux.sysctl[\"net..x\"]: expected the key to be" },
	{ LINUX, "'sysctl':{'net/../kernel/core_pattern':'1'}",
		"linux.sysctl[\"net/../kernel/core_" },
	{ LINUX, "'sysctl':{'net.//.kernel':'1'}",
		"linux.sysctl[\"net.//.kernel\"]: expected the key" },
	{ LINUX, "'sysctl':{'/net/x':'1'}", "linux.sysctl[\"/net/x\"]: expected the key to be" },
	{ LINUX, "'sysctl':{'net.x.':'1'}", "linux.sysctl[\"net.x.\"]: expected the key to be" },
	{ LINUX, "'rootfsPropagation':'public'",
		"linux.rootfsPropagation: expected one of shared, slave, private, unbindable" },
	{ LINUX, "'maskedPaths':['proc/kcore']",
		"linux.maskedPaths[0]: expected an absolute path" },
	{ LINUX, "'readonlyPaths':['/proc/sys','']",
		"linux.readonlyPaths[1]: expected an absolute" },
	{ LINUX, "'mountLabel':{}", "linux.mountLabel: expected a string, found an object" },
	{ LINUX, "'personality':{}", "linux.personality.domain: required" },
	{ LINUX, "'personality':{'domain':'BSD'}",
		"linux.personality.domain: expected one of LINUX, LINUX32, found \"BSD\"" },
	{ LINUX, "'personality':{'domain':'LINUX','flags':['X']}",
		"linux.personality.flags: the specification supports no flags yet" },
};

#define RULE(members) "'seccomp':{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{" members "}]}"
#define AT_RULE "linux.seccomp.syscalls[0]"

static const struct refusal seccomp_refusals[] = {
	{ LINUX, "'seccomp':{}", "linux.seccomp.defaultAction: required" },
	{ LINUX, "'seccomp':{'defaultAction':'ALLOW'}",
		"linux.seccomp.defaultAction: expected one of SCMP_ACT_ALLOW, SCMP_ACT_ERRNO" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_NOTIFY','listenerPath':'/l'}",
		"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ALLOW','defaultErrnoRet':1}",
		"linux.seccomp.defaultErrnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take it, "
		"not "
		"SCMP_ACT_ALLOW" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':4096}",
		"linux.seccomp.defaultErrnoRet: expected an integer from 0 to 4095, found 4096" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_TRACE','defaultErrnoRet':65536}",
		"linux.seccomp.defaultErrnoRet: expected an integer from 0 to 65535" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','architectures':['X86']}",
		"linux.seccomp.architectures[0]: expected one of SCMP_ARCH_X86_64" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','flags':['TSYNC']}",
		"linux.seccomp.flags[0]: expected one of SECCOMP_FILTER_FLAG_TSYNC" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','listenerPath':'l'}",
		"linux.seccomp.listenerPath: expected an absolute path" },
	{ LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','listenerMetadata':'l'}",
		"linux.seccomp.listenerMetadata: must not be set without listenerPath" },
	{ LINUX, RULE("'names':['read'],'action':'SCMP_ACT_NOTIFY'"),
		"linux.seccomp.listenerPath: required, because syscalls[0] has SCMP_ACT_NOTIFY" },
	{ LINUX, RULE("'names':['read','write'],'action':'SCMP_ACT_NOTIFY'"),
		AT_RULE ".action: SCMP_ACT_NOTIFY cannot be used for write" },
	{ LINUX, RULE("'action':'SCMP_ACT_LOG'"), AT_RULE ".names: required" },
	{ LINUX, RULE("'names':['read']"), AT_RULE ".action: required" },
	{ LINUX, RULE("'names':[],'action':'SCMP_ACT_LOG'"), AT_RULE ".names: needs at least one" },
	{ LINUX, RULE("'names':[''],'action':'SCMP_ACT_LOG'"),
		AT_RULE ".names[0]: expected a string" },
	{ LINUX, RULE("'names':['x'],'action':'LOG'"),
		AT_RULE ".action: expected one of SCMP_ACT_" },
	{ LINUX, RULE("'names':['x'],'action':'SCMP_ACT_LOG','errnoRet':1"),
		AT_RULE ".errnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take it" },
	{ LINUX, RULE("'names':['x'],'action':'SCMP_ACT_ERRNO','errnoRet':-1"),
		AT_RULE ".errnoRet: expected an integer from 0" },
	{ LINUX,
		RULE("'names':['x'],'action':'SCMP_ACT_LOG','args':[{'value':1,'op':'SCMP_CMP_EQ'}"
		     "]"),
		AT_RULE ".args[0].index: required" },
	{ LINUX,
		RULE("'names':['x'],'action':'SCMP_ACT_LOG','args':[{'index':0,'op':'SCMP_CMP_EQ'}"
		     "]"),
		AT_RULE ".args[0].value: required" },
	{ LINUX, RULE("'names':['x'],'action':'SCMP_ACT_LOG','args':[{'index':0,'value':1}]"),
		AT_RULE ".args[0].op: required" },
	{ LINUX,
		RULE("'names':['x'],'action':'SCMP_ACT_LOG','args':[{'index':6,'value':1,'op':'"
		     "SCMP_"
		     "CMP_EQ'}]"),
		AT_RULE ".args[0].index: " INTEGER_RANGE(0, 5, 6) },
	{ LINUX,
		RULE("'names':['x'],'action':'SCMP_ACT_LOG','args':[{'index':0,'value':-1,'op':'"
		     "SCMP_"
		     "CMP_EQ'}]"),
		AT_RULE
		".args[0].value: expected an integer from 0 to 18446744073709551615, found -1" },
	{ LINUX,
		RULE("'names':['x'],'action':'SCMP_ACT_LOG','args':[{'index':0,'value':1,'op':'=='}"
		     "]"),
		AT_RULE ".args[0].op: expected one of SCMP_CMP_NE" },
};

static const struct refusal resources_refusals[] = {
	{ RESOURCES, "5", "expected an object, found a number" },
	{ RESOURCES, "{'devices':[{}]}", "devices[0].allow: required" },
	{ RESOURCES, "{'devices':[{'allow':true,'type':'u'}]}",
		"devices[0].type: expected one of a, b, c, found \"u\"" },
	{ RESOURCES, "{'devices':[{'allow':true,'access':'rx'}]}",
		"devices[0].access: expected a composition of 'r', 'w' and 'm', found \"rx\"" },
	{ RESOURCES, "{'devices':[{'allow':true,'major':-2}]}",
		"devices[0].major: " INTEGER_RANGE(-1, 4294967295, -2) },
	{ RESOURCES, "{'memory':{'limit':'512m'}}",
		"memory.limit: expected an integer, found a string" },
	{ RESOURCES, "{'memory':{'limit':-2}}", "memory.limit: expected an integer from -1" },
	{ RESOURCES, "{'memory':{'limit':9223372036854775808}}",
		"memory.limit: expected an integer" },
	{ RESOURCES, "{'memory':{'swap':1.5}}", "memory.swap: expected an integer" },
	{ RESOURCES, "{'memory':{'reservation':-5}}",
		"memory.reservation: expected an integer from -1" },
	{ RESOURCES, "{'memory':{'kernel':true}}",
		"memory.kernel: expected an integer, found a bool" },
	{ RESOURCES, "{'memory':{'kernelTCP':[]}}",
		"memory.kernelTCP: expected an integer, found an" },
	{ RESOURCES, "{'memory':{'swappiness':101}}",
		"memory.swappiness: " INTEGER_RANGE(0, 100, 101) },
	{ RESOURCES, "{'memory':{'disableOOMKiller':0}}",
		"memory.disableOOMKiller: expected true" },
	{ RESOURCES, "{'memory':{'useHierarchy':0}}",
		"memory.useHierarchy: expected true or false" },
	{ RESOURCES, "{'memory':{'checkBeforeUpdate':'x'}}",
		"memory.checkBeforeUpdate: expected true" },
	{ RESOURCES, "{'cpu':{'shares':-1}}", "cpu.shares: expected an integer from 0" },
	{ RESOURCES, "{'cpu':{'quota':'x'}}", "cpu.quota: expected an integer, found a string" },
	{ RESOURCES, "{'cpu':{'period':-1}}", "cpu.period: expected an integer from 0" },
	{ RESOURCES, "{'cpu':{'burst':2,'quota':1}}", "cpu.burst: 2 is above the quota, 1" },
	{ RESOURCES, "{'cpu':{'realtimePeriod':-1}}",
		"cpu.realtimePeriod: expected an integer from 0" },
	{ RESOURCES, "{'cpu':{'realtimeRuntime':'x'}}",
		"cpu.realtimeRuntime: expected an integer" },
	{ RESOURCES, "{'cpu':{'cpus':'0-3-5'}}", "cpu.cpus: expected a list of numbers" },
	{ RESOURCES, "{'cpu':{'mems':'x'}}", "cpu.mems: expected a list of numbers" },
	{ RESOURCES, "{'cpu':{'idle':2}}", "cpu.idle: " INTEGER_RANGE(0, 1, 2) },
	{ RESOURCES, "{'pids':{'limit':-2}}", "pids.limit: expected an integer from -1" },
	{ RESOURCES, "{'pids':5}", "pids: expected an object, found a number" },
	{ RESOURCES, "{'blockIO':{'weight':9}}",
		"blockIO.weight: expected an integer from 10 to 1000, found 9" },
	{ RESOURCES, "{'blockIO':{'weight':1001}}", "blockIO.weight: expected an integer from 10" },
	{ RESOURCES, "{'blockIO':{'weight':65536}}", "blockIO.weight: expected an integer from 0" },
	{ RESOURCES, "{'blockIO':{'leafWeight':1}}",
		"blockIO.leafWeight: expected an integer from 10" },
	{ RESOURCES, "{'blockIO':{'weightDevice':[{'major':8,'minor':0}]}}",
		"blockIO.weightDevice[0].weight: required, unless there is a leafWeight" },
	{ RESOURCES, "{'blockIO':{'weightDevice':[{'minor':0,'weight':10}]}}",
		"blockIO.weightDevice[0].major: required" },
	{ RESOURCES, "{'blockIO':{'weightDevice':[{'major':8,'minor':0,'weight':5}]}}",
		"blockIO.weightDevice[0].weight: expected an integer from 10" },
	{ RESOURCES, "{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0}]}}",
		"blockIO.throttleReadBpsDevice[0].rate: required" },
	{ RESOURCES, "{'blockIO':{'throttleWriteBpsDevice':[{'major':8,'rate':1}]}}",
		"blockIO.throttleWriteBpsDevice[0].minor: required" },
	{ RESOURCES, "{'blockIO':{'throttleReadIOPSDevice':[{'minor':8,'rate':1}]}}",
		"blockIO.throttleReadIOPSDevice[0].major: required" },
	{ RESOURCES, "{'blockIO':{'throttleWriteIOPSDevice':[{'major':8,'minor':0,'rate':-1}]}}",
		"blockIO.throttleWriteIOPSDevice[0].rate: expected an integer from 0" },
	{ RESOURCES, "{'hugepageLimits':[{'limit':1}]}", "hugepageLimits[0].pageSize: required" },
	{ RESOURCES, "{'hugepageLimits':[{'pageSize':'2MB'}]}",
		"hugepageLimits[0].limit: required" },
	{ RESOURCES, "{'hugepageLimits':[{'pageSize':'64kB','limit':1}]}",
		"hugepageLimits[0].pageSize: expected a page size such as" },
	{ RESOURCES, "{'hugepageLimits':[{'pageSize':'02MB','limit':1}]}",
		"hugepageLimits[0].pageSize" },
	{ RESOURCES, "{'hugepageLimits':[{'pageSize':'2M','limit':1}]}",
		"hugepageLimits[0].pageSize" },
	{ RESOURCES, "{'hugepageLimits':[{'pageSize':'MB','limit':1}]}",
		"hugepageLimits[0].pageSize" },
	{ RESOURCES, "{'hugepageLimits':[{'pageSize':'2','limit':1}]}",
		"hugepageLimits[0].pageSize" },
	{ RESOURCES, "{'network':{'classID':4294967296}}",
		"network.classID: expected an integer from" },
	{ RESOURCES, "{'network':{'priorities':[{'name':'eth0'}]}}",
		"network.priorities[0].priority: required" },
	{ RESOURCES, "{'network':{'priorities':[{'name':'a b','priority':1}]}}",
		"network.priorities[0].name: expected a network device's name" },
	{ RESOURCES, "{'rdma':{'mlx5_1':{}}}",
		"rdma.mlx5_1: needs hcaHandles, hcaObjects or both" },
	{ RESOURCES, "{'rdma':{'mlx5_1':{'hcaHandles':'x'}}}",
		"rdma.mlx5_1.hcaHandles: expected an int" },
	{ RESOURCES, "{'rdma':{'mlx5_1':{'hcaObjects':-1}}}",
		"rdma.mlx5_1.hcaObjects: expected an int" },
	{ RESOURCES, "{'unified':{'a/b.c':'1'}}",
		"unified[\"a/b.c\"]: expected the key to be a cgroup file's name" },
	{ RESOURCES, "{'unified':{'..':'1'}}", "unified[\"..\"]: expected the key to be" },
	{ RESOURCES, "{'unified':{'tasks':'1'}}",
		"unified.tasks: expected the key to be a cgroup" },
	{ RESOURCES, "{'unified':{'memory.high':1}}",
		"unified[\"memory.high\"]: expected a string" },
};

TEST(linux_refusals)
TEST(seccomp_refusals)
TEST(resources_refusals)

/* CVE-2021-43784: mappings of more than 64 KiB are counted, not truncated. */
static void test_many_mappings(void **state)
{
	char *text = malloc(4 * 1024 * 1024);
	struct error err = ERROR_INIT;

	(void)state;
	assert_non_null(text);
	for (int count = 340; count <= 20340; count += 20000) {
		size_t used = (size_t)sprintf(text,
			"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":"
			"\"r\"},\"linux\":{\"namespaces\":[{\"type\":"
			"\"user\"}],\"gidMappings\":[{\"containerID\":0,"
			"\"hostID\":0,\"size\":1}],\"uidMappings\":[");

		for (int i = 0; i < count; i++)
			used += (size_t)sprintf(text + used,
				"%s{\"containerID\":%d,\"hostID\":%d,\"size\":2}", i > 0 ? "," : "",
				i * 2, 1000000 + i * 2);
		sprintf(text + used, "]}}");
		if (count == 340) {
			assert_int_equal(decode(WHOLE, text, &err), 0);
			continue;
		}
		assert_int_equal(decode(WHOLE, text, &err), -EINVAL);
		assert_string_equal(err.message,
			"linux.uidMappings: 20340 entries, but the kernel takes at most 340");
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_refusals),
		cmocka_unit_test(test_seccomp_refusals),
		cmocka_unit_test(test_resources_refusals),
		cmocka_unit_test(test_many_mappings),
	};

	return cmocka_run_group_tests_name("config_bad_linux", tests, NULL, NULL);
}
