"""Downloads of finished files: by name and signature, by the link of an e-mail, by the id of a run."""
