"""What tests are made with: media files, and what other packages gave."""
