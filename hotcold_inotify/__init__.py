"""hotcold_inotify: the newest files stay hot, the rest moves into hour folders the moment it is too many."""

__version__ = "0.1.0"
