# Asked of a program that may be an interpreter, of any age.
import os
import sys

print(getattr(getattr(sys, "implementation", None), "name", "cpython"))
print("%d.%d.%d" % sys.version_info[:3])
print(os.path.realpath("/proc/self/exe"))
print(sys.executable or "")
