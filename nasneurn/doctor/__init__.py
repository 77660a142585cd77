"""What ``nasneurn doctor`` looks at, one file a subject; each remark comes once it is known."""
