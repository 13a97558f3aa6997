# Dies with as much core as it can.
# expect: runtime error
# says: status 134
import os
import resource

resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
os.abort()
