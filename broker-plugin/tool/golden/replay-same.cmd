replay --audit audit.jsonl --policy before.yaml
